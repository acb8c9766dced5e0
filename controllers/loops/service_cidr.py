"""Ranges of service addresses are ready, and go only when no address needs them (upstream pkg/controller/servicecidrs)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import parse_rfc3339, rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import STRATEGIC_PATCH
from controllers.framework import pods as pod_facts
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request, Result
from controllers.framework.kinds import IP_ADDRESSES, SERVICE_CIDRS
from controllers.framework.manager import Loop

NAME = "service-cidr-controller"
WORKERS = 5
FINALIZER = "networking.k8s.io/service-cidr-finalizer"
GRACE = 10.0  # seconds until every allocator has seen that a range is going
ALLOCATOR = "ipallocator.k8s.io"
READY = ("True", "", "Kubernetes Service CIDR is ready")
TERMINATING = (
    "False",
    "Terminating",
    "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR",
)

Network = IPv4Network | IPv6Network


def networks(cidr: Object) -> list[Network]:
    return [ip_network(text, strict=False) for text in cidr["spec"].get("cidrs") or ()]


def contains(outer: Network, inner: Network) -> bool:
    return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def managed(address: Object) -> bool:
    """Is an address one that the API server gave to a Service?"""
    return objects.labels_of(address).get("ipaddress.kubernetes.io/managed-by") == ALLOCATOR


def of_address(address: Object, cidrs: Iterable[Object]) -> list[str]:
    """The ranges an address is in, by name."""
    single = ip_network(ip_address(address["metadata"]["name"]))
    return [c["metadata"]["name"] for c in cidrs if any(contains(network, single) for network in networks(c))]


def may_go(cidr: Object, cidrs: Sequence[Object], addresses: Iterable[Object]) -> bool:
    """Would no address be without a range when this one goes?"""
    others = [c for c in cidrs if c["metadata"]["name"] != cidr["metadata"]["name"]]
    if all(any(contains(n, mine) for c in others for n in networks(c)) for mine in networks(cidr)):
        return True
    only_here = [cidr["metadata"]["name"]]
    return not any(managed(a) and of_address(a, cidrs) == only_here for a in addresses)


class ServiceRanges:
    """Requests are ServiceCIDRs."""

    def __init__(self, context: Context) -> None:
        self.clock = context.clock
        self.cidrs = context.resource(SERVICE_CIDRS)
        self.known = context.informer(SERVICE_CIDRS).lister
        self.addresses = context.informer(IP_ADDRESSES).lister
        self.recorder = context.recorder(NAME)

    async def reconcile(self, request: Request) -> Result | None:
        cidr = self.known.get(*request)
        if cidr is None:
            return None
        if cidr["metadata"].get("deletionTimestamp"):
            return await self._delete(cidr)
        if FINALIZER not in (cidr["metadata"].get("finalizers") or ()):
            await self._patch(request.name, {"finalizers": [FINALIZER]})
        try:
            await self._tell(cidr, *READY)
        except StatusError:
            about = {**cidr, "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR"}
            message = "The ServiceCIDR Status can not be set to Ready=True"
            self.recorder.event(about, "Warning", "KubernetesServiceCIDRError", message)
            raise
        return None

    async def _delete(self, cidr: Object) -> Result | None:
        if not may_go(cidr, self.known.list(), self.addresses.list()):
            await self._tell(cidr, *TERMINATING)
            return None
        left = parse_rfc3339(cidr["metadata"]["deletionTimestamp"]) + GRACE - self.clock.now()
        if left > 0:
            return Result(after=left)
        if FINALIZER in (cidr["metadata"].get("finalizers") or ()):
            await self._patch(cidr["metadata"]["name"], {"$deleteFromPrimitiveList/finalizers": [FINALIZER]})
        return None

    async def _patch(self, name: str, metadata: Object) -> None:
        try:
            await self.cidrs.patch(name, "", {"metadata": metadata}, type=STRATEGIC_PATCH)
        except StatusError as error:
            if error.code != 404:
                raise

    async def _tell(self, cidr: Object, status: str, reason: str, message: str) -> None:
        current = pod_facts.condition(cidr, "Ready") or {}
        if (current.get("status"), current.get("reason", ""), current.get("message")) == (status, reason, message):
            return
        condition = {
            "type": "Ready",
            "status": status,
            "reason": reason,
            "message": message,
            "lastTransitionTime": rfc3339(self.clock.now()),
        }
        wanted = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "ServiceCIDR",
            "metadata": {"name": cidr["metadata"]["name"]},
            "status": {"conditions": [condition]},
        }
        await self.cidrs.apply(wanted, field_manager=NAME, force=True, subresource="status")

    def overlapping(self, cidr: Object) -> Iterable[Request]:
        """A range, and those that share addresses with it."""
        mine = networks(cidr)
        yield Request("", cidr["metadata"]["name"])
        for other in self.known.list():
            if any(a.version == b.version and a.overlaps(b) for a in mine for b in networks(other)):
                yield Request("", other["metadata"]["name"])

    def of(self, address: Object) -> Iterable[Request]:
        if managed(address):
            yield from (Request("", name) for name in of_address(address, self.known.list()))


def build(context: Context) -> Loop:
    reconciler = ServiceRanges(context)
    controller = Controller(NAME, reconciler, workers=WORKERS)
    controller.watch(context.informer(SERVICE_CIDRS), reconciler.overlapping)
    controller.watch(context.informer(IP_ADDRESSES), reconciler.of, when=lambda old, new: old is None)
    return controller
