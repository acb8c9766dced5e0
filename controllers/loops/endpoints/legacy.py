"""Every Service with a selector has its Endpoints (upstream pkg/controller/endpoint)."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery import objects
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from controllers.framework import pods as pod_facts
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request, Retry
from controllers.framework.errors import namespace_terminating
from controllers.framework.kinds import ENDPOINTS, PODS, SERVICES
from controllers.framework.manager import Loop
from controllers.loops.endpoints import membership, subsets
from controllers.loops.endpoints.membership import Membership, TriggerTimes

WORKERS = 5
COMPONENT = "endpoint-controller"
MANAGED_BY = "endpoints.kubernetes.io/managed-by"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
LEADER = "control-plane.alpha.kubernetes.io/leader"


def family_of(service: Object, pod: Object) -> str:
    """The one family of address that a Service's Endpoints have: its first."""
    spec = service["spec"]
    if spec.get("ipFamilies"):
        return spec["ipFamilies"][0]  # type: ignore[no-any-return]
    own = spec.get("clusterIP", "") if not membership.is_headless(service) else pod["status"].get("podIP", "")
    return "IPv6" if ":" in own else "IPv4"


def subset_of(service: Object, pod: Object) -> Object | None:
    """What a pod contributes: its address under all the ports it has; None when that is nothing."""
    spec = service["spec"]
    tolerant = bool(spec.get("publishNotReadyAddresses"))
    if not membership.belongs(pod, terminating=tolerant):
        return None
    found = membership.addresses_of(pod, family_of(service, pod))
    if not found:
        return None
    address: dict[str, Any] = {
        "ip": found[0],
        "nodeName": pod["spec"].get("nodeName", ""),
        "targetRef": membership.pod_reference(pod),
    }
    if hostname := membership.hostname_for(pod, service):
        address["hostname"] = hostname
    ports = [_port(port, number) for port in spec.get("ports") or () if (number := membership.target_port(pod, port))]
    if not ports and (spec.get("ports") or spec.get("clusterIP") != "None"):
        return None
    field = "addresses" if tolerant or pod_facts.is_ready(pod) else "notReadyAddresses"
    return {field: [address], "ports": ports}


def _port(port: Object, number: int) -> Object:
    wire = {"port": number, "protocol": port.get("protocol", "TCP")}
    return wire | {k: port[k] for k in ("name", "appProtocol") if port.get(k)}


def labels_for(service: Object) -> dict[str, str]:
    labels = {k: v for k, v in objects.labels_of(service).items() if k != membership.HEADLESS}
    if membership.is_headless(service):
        labels[membership.HEADLESS] = ""
    return labels | {MANAGED_BY: COMPONENT}


def is_current(endpoints: Object, service: Object, wanted: list[Object]) -> bool:
    """Do Endpoints say what they should? A missing headless label is let be, as upstream."""
    labels, service_labels = objects.labels_of(endpoints), objects.labels_of(service)
    own = {k: v for k, v in labels.items() if k not in (membership.HEADLESS, MANAGED_BY)}
    current = endpoints.get("subsets") or []
    return (
        labels.get(MANAGED_BY) == COMPONENT
        and own == service_labels
        and OVER_CAPACITY not in objects.annotations_of(endpoints)
        and subsets.size(current) <= subsets.MAX_ADDRESSES
        and subsets.comparable(current) == subsets.comparable(wanted)
    )


class EndpointsLoop:
    """Requests are Services, and Endpoints by the same name."""

    def __init__(self, context: Context) -> None:
        self.endpoints = context.resource(ENDPOINTS)
        self.known = context.informer(ENDPOINTS).lister
        self.services = context.informer(SERVICES).lister
        self.members = Membership(context.informer(SERVICES), context.informer(PODS))
        self.recorder = context.recorder(COMPONENT)
        self.times = TriggerTimes()
        self.stale: dict[Request, str] = {}  # the resourceVersion that an update of ours replaced

    async def reconcile(self, request: Request) -> None:
        service = self.services.get(*request)
        if service is None:
            await self._remove(request)
            return
        if service["spec"].get("type") == "ExternalName" or not membership.selector_of(service):
            return
        pods = self.members.pods_of(service)
        trigger_time = self.times.of(request, service, pods)
        wanted = subsets.repack(subset for pod in pods if (subset := subset_of(service, pod)) is not None)
        current = self.known.get(*request)
        if current is not None and current["metadata"]["resourceVersion"] == self.stale.get(request):
            raise Retry(f"the informer has not seen yet what was written for endpoints {request}")
        if current is None or not is_current(current, service, wanted):
            await self._write(request, service, current, wanted, trigger_time)

    async def _write(
        self, request: Request, service: Object, current: Object | None, wanted: list[Object], trigger_time: str
    ) -> None:
        endpoints = _desired(request, service, current, wanted, trigger_time)
        try:
            if current is None:
                await self.endpoints.create(endpoints, request.namespace)
                return
            written = await self.endpoints.update(endpoints)
        except StatusError as error:
            if current is None and namespace_terminating(error):
                return
            self._tell(request, endpoints, error, created=current is None)
            raise
        before = current["metadata"]["resourceVersion"]
        if written["metadata"]["resourceVersion"] != before:
            self.stale[request] = before

    def _tell(self, request: Request, endpoints: Object, error: StatusError, *, created: bool) -> None:
        reason = "FailedToCreateEndpoint" if created else "FailedToUpdateEndpoint"
        verb = "create endpoint for service" if created else "update endpoint"
        self.recorder.event(endpoints, "Warning", reason, f"Failed to {verb} {request}: {error.message}")

    async def _remove(self, request: Request) -> None:
        self.times.forget(request)
        self.stale.pop(request, None)
        current = self.known.get(*request)
        if current is None or LEADER in objects.annotations_of(current):
            return  # a lock of old has no Service, and is somebody's
        try:
            await self.endpoints.delete(request.name, request.namespace)
        except StatusError as error:
            if error.code != 404:
                raise


def _desired(
    request: Request, service: Object, current: Object | None, wanted: list[Object], trigger_time: str
) -> Object:
    endpoints: Object = objects.copy(current) if current is not None else {"metadata": {"name": request.name}}
    endpoints |= {"apiVersion": "v1", "kind": "Endpoints"}
    meta = endpoints["metadata"]
    meta["namespace"] = request.namespace
    meta["labels"] = labels_for(service)
    cut = subsets.truncated(wanted)
    endpoints["subsets"] = wanted if cut is None else cut
    annotations = {k: v for k, v in objects.annotations_of(endpoints).items() if k not in _OURS}
    if trigger_time:
        annotations[membership.TRIGGER_TIME] = trigger_time
    if cut is not None:
        annotations[OVER_CAPACITY] = "truncated"
    meta["annotations"] = annotations
    return endpoints


_OURS = (membership.TRIGGER_TIME, OVER_CAPACITY)


def build(context: Context) -> Loop:
    reconciler = EndpointsLoop(context)
    controller = Controller("endpoints-controller", reconciler, workers=WORKERS)
    controller.watch(context.informer(SERVICES))
    known = context.informer(ENDPOINTS)
    # Of the first state all: what is left over from a Service that went while nobody looked has to go. Later ones that
    # somebody makes without a Service are his (upstream checkLeftoverEndpoints, once).
    controller.watch(known, when=lambda old, new: old is None and not known.has_synced)
    pods = context.informer(PODS)
    pods.add_handler(reconciler.members.handler(controller.queue.add))
    controller.needs(pods)
    return controller
