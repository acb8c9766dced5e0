"""Endpoints made by hand for Services without a selector are mirrored to EndpointSlices.

Mirrors upstream pkg/controller/endpointslicemirroring: one slice for each subset and address type, named, labelled and
annotated after the Endpoints, which own it.
"""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery import addresses, objects
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.client.workqueue import RateLimiter
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request, Retry
from controllers.framework.kinds import ENDPOINT_SLICES, ENDPOINTS, SERVICES
from controllers.framework.manager import Loop
from controllers.loops.endpoints import membership, slices
from controllers.loops.endpoints.legacy import LEADER
from controllers.loops.endpoints.slices import Changes, EndpointKey, Ports, PortsKey, endpoint_key, ports_key
from controllers.loops.endpoints.slicing import SliceWriter, managed, new_slice, slice_handler
from controllers.loops.endpoints.subsets import repack
from controllers.loops.endpoints.tracker import MANAGED_BY, SERVICE_NAME, SliceTracker, service_of

WORKERS = 5
NAME = "endpointslicemirroring-controller.k8s.io"
COMPONENT = "endpoint-slice-mirroring-controller"
MAX_PER_SUBSET = 1000
BASE_DELAY = 1.0
SKIP = "endpointslice.kubernetes.io/skip-mirror"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

SliceKey = tuple[str, PortsKey]  # address type, ports


def mirrored(endpoints: Object) -> bool:
    """Are these Endpoints for mirroring, should their Service have no selector?"""
    return objects.labels_of(endpoints).get(SKIP) != "true" and LEADER not in objects.annotations_of(endpoints)


def endpoint_of(address: Object, *, ready: bool) -> tuple[str, Object] | None:
    """Address type and endpoint; None for what is no IP address."""
    ip = addresses.parse_sloppy(address["ip"])
    if ip is None:
        return None
    endpoint: dict[str, Any] = {"addresses": [str(ip)], "conditions": {"ready": ready}}
    for field in ("targetRef", "nodeName", "hostname"):
        if address.get(field):
            endpoint[field] = address[field]
    return f"IPv{ip.version}", endpoint


def _ports(subset: Object) -> Ports:
    return [
        {"name": p.get("name", ""), "port": p["port"], "protocol": p.get("protocol", "TCP")}
        | ({"appProtocol": p["appProtocol"]} if p.get("appProtocol") else {})
        for p in subset.get("ports") or ()
    ]


class Desired:
    """The endpoints there should be, by address type and ports; and how many addresses could not be taken."""

    def __init__(self, endpoints: Object) -> None:
        self.groups: dict[SliceKey, tuple[Ports, dict[EndpointKey, Object]]] = {}
        self.invalid = 0
        self.skipped = 0
        for subset in repack(endpoints.get("subsets") or ()):
            self._take(subset)

    def _take(self, subset: Object) -> None:
        ports, taken = _ports(subset), 0
        for family in ("IPv4", "IPv6"):
            self.groups.setdefault((family, ports_key(ports)), (ports, {}))
        all_addresses = [(a, True) for a in subset.get("addresses") or ()]
        all_addresses += [(a, False) for a in subset.get("notReadyAddresses") or ()]
        for address, ready in all_addresses:
            if taken >= MAX_PER_SUBSET:
                break
            made = endpoint_of(address, ready=ready)
            if made is None:
                self.invalid += 1
                continue
            family, endpoint = made
            self.groups[family, ports_key(ports)][1][endpoint_key(endpoint)] = endpoint
            taken += 1
        self.skipped += len(all_addresses) - taken


def _labels(endpoints: Object) -> dict[str, str]:
    own = {SERVICE_NAME: endpoints["metadata"]["name"], MANAGED_BY: NAME}
    return objects.labels_of(endpoints) | own


def _annotations(endpoints: Object) -> dict[str, str]:
    left_out = (membership.TRIGGER_TIME, LAST_APPLIED)
    return {k: v for k, v in objects.annotations_of(endpoints).items() if k not in left_out}


def _fits(endpoint_slice: Object, endpoints: Object, desired: dict[EndpointKey, Object]) -> bool:
    """Is a slice what it should be?"""
    current = {endpoint_key(e): e for e in slices.endpoints_of(endpoint_slice)}
    owners = endpoint_slice["metadata"].get("ownerReferences") or ()
    name, uid = endpoints["metadata"]["name"], endpoints["metadata"]["uid"]
    return (
        current.keys() == desired.keys()
        and all(slices.same(desired[key], endpoint) for key, endpoint in current.items())
        and objects.labels_of(endpoint_slice) == _labels(endpoints)
        and objects.annotations_of(endpoint_slice) == _annotations(endpoints)
        and not any(o["kind"] == "Endpoints" and o["name"] == name and o["uid"] != uid for o in owners)
    )


def plan(endpoints: Object, desired: Desired, existing: list[Object]) -> Changes:
    """The one slice each group has; others go, or are used again for a new group of their address type."""
    changes = Changes()
    by_key: dict[SliceKey, list[Object]] = {}
    for endpoint_slice in existing:
        kind: SliceKey = (endpoint_slice["addressType"], ports_key(endpoint_slice.get("ports")))
        by_key.setdefault(kind, []).append(endpoint_slice)
    for (family, key), (ports, wanted) in desired.groups.items():
        mine = by_key.pop((family, key), [])
        if not wanted:
            changes.delete += mine
            continue
        changes.delete += mine[1:]
        if mine and _fits(mine[0], endpoints, wanted):
            continue
        made = new_slice(endpoints, "Endpoints", _labels(endpoints), ports, family)
        made["metadata"]["annotations"] = _annotations(endpoints)
        made["endpoints"] = list(wanted.values())
        if mine:
            made["metadata"].pop("generateName")
            made["metadata"]["name"] = mine[0]["metadata"]["name"]
        (changes.update if mine else changes.create).append(made)
    for unwanted in by_key.values():
        changes.delete += unwanted
    slices.recycle(changes, lambda deleted, made: bool(deleted["addressType"] == made["addressType"]))
    return changes


class Mirroring:
    """Requests are Endpoints, and Services by the same name."""

    def __init__(self, context: Context) -> None:
        informer = context.informer(ENDPOINT_SLICES)
        informer.add_index("service", lambda s: (str(service_of(s)),))
        self.known = informer.lister
        self.endpoints = context.informer(ENDPOINTS).lister
        self.services = context.informer(SERVICES).lister
        self.recorder = context.recorder(COMPONENT)
        self.tracker = SliceTracker()
        self.client = context.resource(ENDPOINT_SLICES)
        self.writer = SliceWriter(self.client, self.tracker)

    async def reconcile(self, request: Request) -> None:
        endpoints, service = self.endpoints.get(*request), self.services.get(*request)
        existing = [s for s in self.known.by_index("service", str(request)) if managed(s, NAME)]
        unwanted = endpoints is None or service is None or bool(membership.selector_of(service))
        if endpoints is None or unwanted or not mirrored(endpoints):
            await self._delete(request, existing)
            return
        if self.tracker.stale(request, existing):
            raise Retry("EndpointSlice informer cache is out of date")
        desired = Desired(endpoints)
        self._tell(endpoints, desired)
        creating = not endpoints["metadata"].get("deletionTimestamp")
        await self.writer.write(plan(endpoints, desired, existing), request.namespace, creating=creating)

    async def _delete(self, request: Request, existing: list[Object]) -> None:
        self.tracker.forget(request)
        for endpoint_slice in existing:
            try:
                await self.client.delete(endpoint_slice["metadata"]["name"], request.namespace)
            except StatusError as error:
                if error.code != 404:
                    raise

    def _tell(self, endpoints: Object, desired: Desired) -> None:
        about = {**endpoints, "apiVersion": "v1", "kind": "Endpoints"}
        if desired.invalid:
            message = f"Skipped {desired.invalid} invalid IP addresses when mirroring to EndpointSlices"
            self.recorder.event(about, "Warning", "InvalidIPAddress", message)
        if desired.skipped > desired.invalid:
            message = (
                f"A max of {MAX_PER_SUBSET} addresses can be mirrored to EndpointSlices per Endpoints subset. "
                f"{desired.skipped} addresses were skipped"
            )
            self.recorder.event(about, "Warning", "TooManyAddressesToMirror", message)


def build(context: Context) -> Loop:
    reconciler = Mirroring(context)
    limiter = RateLimiter[Request](base=BASE_DELAY)
    controller = Controller("endpointslice-mirroring-controller", reconciler, workers=WORKERS, rate_limiter=limiter)
    queue = controller.queue

    def selector_changed(old: Object | None, new: Object) -> bool:
        if old is None:
            return not membership.selector_of(new)
        return bool(membership.selector_of(old)) != bool(membership.selector_of(new))

    controller.watch(context.informer(SERVICES), when=selector_changed)
    controller.watch(
        context.informer(ENDPOINTS), when=lambda old, new: mirrored(new) or (old is not None and mirrored(old))
    )
    endpoint_slices = context.informer(ENDPOINT_SLICES)
    endpoint_slices.add_handler(slice_handler(reconciler.tracker, NAME, queue.add))
    controller.needs(endpoint_slices)
    return controller
