"""Every Service with a selector has EndpointSlices of its pods (upstream pkg/controller/endpointslice)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.apimachinery import objects
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.client.informer import Handler
from apiserver.client.resources import ResourceClient
from apiserver.client.workqueue import RateLimiter
from controllers.framework import pods as pod_facts
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request, Retry
from controllers.framework.errors import namespace_terminating
from controllers.framework.kinds import ENDPOINT_SLICES, NODES, PODS, SERVICES
from controllers.framework.manager import Loop
from controllers.framework.ownership import controller_reference
from controllers.loops.endpoints import membership, slices
from controllers.loops.endpoints.membership import Membership, TriggerTimes
from controllers.loops.endpoints.slices import Changes, EndpointKey, Ports, PortsKey, ports_key
from controllers.loops.endpoints.topology import DISABLED, ZONE, Told, Topology, shares_of_cpu
from controllers.loops.endpoints.tracker import MANAGED_BY, SERVICE_NAME, SliceTracker, service_of

WORKERS = 5
NAME = "endpointslice-controller.k8s.io"
COMPONENT = "endpoint-slice-controller"
BASE_DELAY = 1.0  # seconds between retries at first; upstream defaultSyncBackOff
AFTER_SLICE = 1.0  # seconds after a slice's change; upstream endpointSliceChangeMinSyncDelay
HINT_ANNOTATIONS = ("service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode")
NODES_CHANGED = Request("", "nodes")  # no Service: those have a namespace
DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")


def families_of(service: Object) -> list[str]:
    """Address types the Service has slices of."""
    spec = service["spec"]
    if spec.get("ipFamilies"):
        return list(spec["ipFamilies"])
    if membership.is_headless(service):
        return ["IPv4", "IPv6"]
    return ["IPv6" if ":" in spec["clusterIP"] else "IPv4"]


def labels_for(service: Object, managed_by: str = NAME) -> dict[str, str]:
    labels = {k: v for k, v in objects.labels_of(service).items() if k != membership.HEADLESS}
    if membership.is_headless(service):
        labels[membership.HEADLESS] = ""
    return labels | {SERVICE_NAME: service["metadata"]["name"], MANAGED_BY: managed_by}


def ports_of(service: Object, pod: Object) -> Ports:
    """The Service's ports as this pod has them."""
    found = []
    for port in service["spec"].get("ports") or ():
        number = membership.target_port(pod, port)
        if number is not None:
            wire = {"name": port.get("name", ""), "port": number, "protocol": port.get("protocol", "TCP")}
            found.append(wire | ({"appProtocol": port["appProtocol"]} if port.get("appProtocol") else {}))
    return found


def endpoint_of(service: Object, pod: Object, node: Object | None, family: str) -> Object | None:
    """The pod as an endpoint; None when it has no address of the family."""
    addresses = membership.addresses_of(pod, family)
    if not addresses:
        return None
    serving, terminating = pod_facts.is_ready(pod), bool(pod["metadata"].get("deletionTimestamp"))
    ready = bool(service["spec"].get("publishNotReadyAddresses")) or (serving and not terminating)
    endpoint: dict[str, Any] = {
        "addresses": addresses,
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": membership.pod_reference(pod),
    }
    zone = objects.labels_of(node).get(ZONE) if node is not None else ""
    more = {
        "nodeName": pod["spec"].get("nodeName"),
        "zone": zone,
        "hostname": membership.hostname_for(pod, service),
    }
    return endpoint | {k: v for k, v in more.items() if v}


def by_topology(service: Object) -> bool:
    """Does an annotation ask for hints in proportion to the zones? Of two the older one counts."""
    annotations = objects.annotations_of(service)
    return next((annotations[name] for name in HINT_ANNOTATIONS if name in annotations), "") in ("Auto", "auto")


def distribution_of(service: Object) -> str:
    """The Service's trafficDistribution, where it counts: the annotation goes before it."""
    wanted = service["spec"].get("trafficDistribution") or ""
    return wanted if wanted in DISTRIBUTIONS and not by_topology(service) else ""


def owned_by(endpoint_slice: Object, service: Object) -> bool:
    return any(
        reference["uid"] == service["metadata"]["uid"] and reference["kind"] == "Service"
        for reference in endpoint_slice["metadata"].get("ownerReferences") or ()
    )


def new_slice(owner: Object, kind: str, labels: dict[str, str], ports: Ports, family: str) -> Object:
    meta = owner["metadata"]
    prefix = f"{meta['name']}-" if len(meta["name"]) < 253 else meta["name"]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": prefix,
            "namespace": meta["namespace"],
            "labels": dict(labels),
            "ownerReferences": [controller_reference(owner, "v1", kind)],
        },
        "addressType": family,
        "endpoints": [],
        "ports": ports,
    }


def _is_placeholder(endpoint_slice: Object, placeholder: Object) -> bool:
    meta, wanted = endpoint_slice["metadata"], placeholder["metadata"]
    return bool(
        objects.labels_of(endpoint_slice) == wanted["labels"]
        and meta.get("ownerReferences") == wanted["ownerReferences"]
        and not slices.endpoints_of(endpoint_slice)
        and not endpoint_slice.get("ports")
    )


def plan_family(
    service: Object, family: str, existing: list[Object], groups: list[tuple[Ports, dict[EndpointKey, Object]]]
) -> Changes:
    """What becomes of the slices of one address type. `groups`: the desired endpoints by their ports."""
    labels = labels_for(service)
    changes = Changes(delete=[s for s in existing if not owned_by(s, service)])
    by_ports: dict[PortsKey, list[Object]] = {}
    for endpoint_slice in existing:
        if owned_by(endpoint_slice, service):
            by_ports.setdefault(ports_key(endpoint_slice.get("ports")), []).append(endpoint_slice)
    for ports, desired in groups:
        mine = by_ports.pop(ports_key(ports), [])
        changes.add(slices.plan(mine, desired, labels, new_slice(service, "Service", labels, ports, family)))
    for unwanted in by_ports.values():
        changes.delete += unwanted
    if len(existing) == len(changes.delete) and not changes.create:
        placeholder = new_slice(service, "Service", labels, [], family)
        if len(changes.delete) == 1 and _is_placeholder(changes.delete[0], placeholder):
            changes.delete = []
        else:
            changes.create.append(placeholder)
    return changes


class SliceWriter:
    """Writes Changes and remembers their generations."""

    def __init__(self, client: ResourceClient, tracker: SliceTracker) -> None:
        self.client = client
        self.tracker = tracker

    async def write(self, changes: Changes, namespace: str, *, creating: bool) -> None:
        """`creating` is false for an owner that is being deleted: nothing new for the garbage collector to chase."""
        for endpoint_slice in changes.create if creating else ():
            try:
                self.tracker.written(await self.client.create(endpoint_slice, namespace))
            except StatusError as error:
                if namespace_terminating(error):
                    return
                raise
        for endpoint_slice in changes.update:
            self.tracker.written(await self.client.update(endpoint_slice))
        for endpoint_slice in changes.delete:
            await self.client.delete(endpoint_slice["metadata"]["name"], namespace)
            self.tracker.deleting(endpoint_slice)


class Slicing:
    """Requests are Services."""

    def __init__(self, context: Context) -> None:
        informer = context.informer(ENDPOINT_SLICES)
        informer.add_index("service", lambda s: (str(service_of(s)),))
        self.known = informer.lister
        self.services = context.informer(SERVICES).lister
        self.nodes = context.informer(NODES).lister
        self.members = Membership(context.informer(SERVICES), context.informer(PODS))
        self.recorder = context.recorder(COMPONENT)
        self.times = TriggerTimes()
        self.tracker = SliceTracker()
        self.topology = Topology()
        self.overloaded: list[Request] = []  # Services that a change of nodes makes look again
        self.writer = SliceWriter(context.resource(ENDPOINT_SLICES), self.tracker)

    async def reconcile(self, request: Request) -> None:
        if request == NODES_CHANGED:
            self.topology.ratios = shares_of_cpu(self.nodes.list())
            self.overloaded.extend(self.topology.overloaded())
            return
        service = self.services.get(*request)
        if service is None:
            self.times.forget(request)
            self.tracker.forget(request)
            self.topology.forget_all(request)
            return
        if service["spec"].get("type") == "ExternalName" or not membership.selector_of(service):
            return
        pods = self.members.pods_of(service)
        existing = [
            endpoint_slice
            for endpoint_slice in self.known.by_index("service", str(request))
            if managed(endpoint_slice) and not endpoint_slice["metadata"].get("deletionTimestamp")
        ]
        if self.tracker.stale(request, existing):
            raise Retry("EndpointSlice informer cache is out of date")
        trigger_time = self.times.of(request, service, pods)
        try:
            await self._write(service, pods, existing, trigger_time)
        except (StatusError, Retry) as error:
            text = error.message if isinstance(error, StatusError) else str(error)
            message = f"Error updating Endpoint Slices for Service {request}: {text}"
            self.recorder.event(
                {**service, "apiVersion": "v1", "kind": "Service"}, "Warning", "FailedToUpdateEndpointSlices", message
            )
            raise

    async def _write(self, service: Object, pods: list[Object], existing: list[Object], trigger_time: str) -> None:
        families = families_of(service)
        missing: dict[str, None] = {}
        for family in families:
            groups = self._desired(service, pods, family, missing)
            mine = [s for s in existing if s["addressType"] == family]
            changes = plan_family(service, family, mine, groups)
            self._hint(service, family, changes, mine)
            slices.recycle(changes, lambda deleted, made: owned_by(deleted, service))
            for endpoint_slice in [*changes.create, *changes.update]:
                _stamp(endpoint_slice, trigger_time)
            creating = not service["metadata"].get("deletionTimestamp")
            await self.writer.write(changes, service["metadata"]["namespace"], creating=creating)
        gone = Changes(delete=[s for s in existing if s["addressType"] not in families])
        await self.writer.write(gone, service["metadata"]["namespace"], creating=False)
        if missing:
            raise Retry(", ".join(missing))

    def _hint(self, service: Object, family: str, changes: Changes, existing: list[Object]) -> None:
        request = Request(service["metadata"]["namespace"], service["metadata"]["name"])
        told: list[Told] = []
        if by_topology(service):
            told = self.topology.add_hints(request, family, changes, existing)
        else:
            if self.topology.populated(request):
                message = f"{DISABLED}, addressType: {family}"
                told = [Told("Warning", "TopologyAwareHintsDisabled", message)]
            self.topology.forget(request, family)
            slices.add_hints(changes, existing, distribution_of(service))
        for event in told:
            self.recorder.event({**service, "apiVersion": "v1", "kind": "Service"}, *event)

    def _desired(
        self, service: Object, pods: list[Object], family: str, missing: dict[str, None]
    ) -> list[tuple[Ports, dict[EndpointKey, Object]]]:
        """The endpoints by their ports. A pod whose node is not known is left out, and noted in `missing`."""
        groups: dict[PortsKey, tuple[Ports, dict[EndpointKey, Object]]] = {}
        meta = service["metadata"]
        for pod in pods:
            if not membership.belongs(pod, terminating=True):
                continue
            ports = ports_of(service, pod)
            _, group = groups.setdefault(ports_key(ports), (ports, {}))
            node_name = pod["spec"].get("nodeName", "")
            node = self.nodes.get("", node_name)
            if node is None and not service["spec"].get("publishNotReadyAddresses"):
                of = f"skipping Pod {pod['metadata']['name']} for Service {meta['namespace']}/{meta['name']}"
                missing[f"{of}: Node {node_name} Not Found"] = None
                continue
            endpoint = endpoint_of(service, pod, node, family)
            if endpoint is not None:
                group[slices.endpoint_key(endpoint)] = endpoint
        return list(groups.values())


def managed(endpoint_slice: Object, by: str = NAME) -> bool:
    return objects.labels_of(endpoint_slice).get(MANAGED_BY) == by


def _stamp(endpoint_slice: Object, trigger_time: str) -> None:
    annotations = endpoint_slice["metadata"].setdefault("annotations", {})
    annotations.pop(membership.TRIGGER_TIME, None)
    if trigger_time:
        annotations[membership.TRIGGER_TIME] = trigger_time


def slice_handler(tracker: SliceTracker, by: str, enqueue: Callable[[Request], None]) -> Handler:
    """Tells of slices that somebody else made, changed, took over or deleted."""

    def tell(endpoint_slice: Object) -> None:
        service = service_of(endpoint_slice)
        if service.name:
            enqueue(service)

    def added(new: Object) -> None:
        if managed(new, by) and tracker.is_news(new):
            tell(new)

    def updated(old: Object, new: Object) -> None:
        if service_of(old) != service_of(new):
            tell(new)
            tell(old)
        elif managed(old, by) != managed(new, by) or (managed(new, by) and tracker.is_news(new)):
            tell(new)

    def deleted(old: Object) -> None:
        if managed(old, by) and tracker.has(old) and not tracker.deleted(old):
            tell(old)

    return Handler(added=added, updated=updated, deleted=deleted)


class SliceLoop:
    """Reconciles, and lets Services look again that have too few endpoints for the zones as they became."""

    def __init__(self, slicing: Slicing) -> None:
        self.slicing = slicing
        self.controller: Controller | None = None

    async def reconcile(self, request: Request) -> None:
        await self.slicing.reconcile(request)
        while self.slicing.overloaded and self.controller is not None:
            self.controller.queue.add(self.slicing.overloaded.pop(0))


def _zones_changed(old: Object | None, new: Object) -> bool:
    if old is None or pod_facts.is_ready(old) != pod_facts.is_ready(new):
        return True
    return objects.labels_of(old).get(ZONE) != objects.labels_of(new).get(ZONE)


def build(context: Context) -> Loop:
    reconciler = Slicing(context)
    loop = SliceLoop(reconciler)
    limiter = RateLimiter[Request](base=BASE_DELAY)
    controller = loop.controller = Controller("endpointslice-controller", loop, workers=WORKERS, rate_limiter=limiter)
    queue = controller.queue
    controller.watch(context.informer(SERVICES))
    pods, endpoint_slices = context.informer(PODS), context.informer(ENDPOINT_SLICES)
    pods.add_handler(reconciler.members.handler(queue.add))
    endpoint_slices.add_handler(
        slice_handler(reconciler.tracker, NAME, lambda request: queue.add_after(request, AFTER_SLICE))
    )
    controller.watch(context.informer(NODES), lambda node: (NODES_CHANGED,), when=_zones_changed)
    for informer in (pods, endpoint_slices):
        controller.needs(informer)
    return controller
