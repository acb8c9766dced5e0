"""Service: a stable address in front of pods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from apiserver.api.columns import AGE, NAME
from apiserver.api.core import service_facts as facts
from apiserver.api.core.service_updates import drop_what_the_type_ends
from apiserver.api.core.service_validation import balancer_status_errors, change_errors, service_errors
from apiserver.api.core.service_warnings import service_warnings, status_warnings
from apiserver.api.strategy import KindStatusStrategy, KindStrategy, metadata_update_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError
from apiserver.apimachinery.gvk import GroupVersionKind
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Hooks, Resource, ServedVersion, Subresource

if TYPE_CHECKING:
    from apiserver.registry.dependencies import Dependencies
    from apiserver.registry.store import Store

AFFINITY_SECONDS = 10800


class ServiceStrategy(KindStrategy):
    """Mirrors upstream registry/core/service; what is allocated comes from the hooks."""

    has_status = True
    allow_create_on_update = True
    return_deleted_object = True

    def name_errors(self, name: str, prefix: bool) -> Iterable[str]:
        return formats.label_name(name, prefix)

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        if not spec.get("sessionAffinity"):
            spec["sessionAffinity"] = "None"
        if spec["sessionAffinity"] == "None":
            spec.pop("sessionAffinityConfig", None)
        elif spec["sessionAffinity"] == "ClientIP" and _has_no_timeout(spec):
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": AFFINITY_SECONDS}}
        if not spec.get("type"):
            spec["type"] = "ClusterIP"
        for port in spec.get("ports") or ():
            if not port.get("protocol"):
                port["protocol"] = "TCP"
            if port.get("targetPort") in (None, 0, ""):
                port["targetPort"] = port.get("port") or 0
        if facts.externally_accessible(obj) and not spec.get("externalTrafficPolicy"):
            spec["externalTrafficPolicy"] = "Cluster"
        if spec.get("internalTrafficPolicy") is None and spec["type"] in facts.WITH_CLUSTER_IP:
            spec["internalTrafficPolicy"] = "Cluster"
        if spec["type"] == "LoadBalancer":
            _default_balancer(obj, spec)
        obj.setdefault("status", {}).setdefault("loadBalancer", {})

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        obj["status"] = {"loadBalancer": {}}

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        obj["status"] = old.get("status") or {"loadBalancer": {}}
        drop_what_the_type_ends(obj, old)

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        return service_errors(obj, None)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        yield from change_errors(obj, old)
        yield from service_errors(obj, old)

    def warnings_on_create(self, ctx: Context, obj: Object) -> Iterator[str]:
        return service_warnings(obj)

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[str]:
        return service_warnings(obj)


class ServiceStatusStrategy(KindStatusStrategy):
    """`services/status`: what load balancers report."""

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        yield from balancer_status_errors(obj, old)

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[str]:
        return status_warnings(obj)


def _has_no_timeout(spec: Object) -> bool:
    """Zero is one, and refused."""
    return get(spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds") is None


def _default_balancer(obj: Object, spec: Object) -> None:
    if spec.get("allocateLoadBalancerNodePorts") is None:
        spec["allocateLoadBalancerNodePorts"] = True
    for point in get(obj, "status", "loadBalancer", "ingress") or ():
        if point.get("ip") and point.get("ipMode") is None:
            point["ipMode"] = "VIP"


def _decorate(obj: Object) -> None:
    """Upstream once gave a policy to Services of type ExternalName, too, and hides it since."""
    if facts.kind_of(obj) == "ExternalName":
        obj["spec"].pop("internalTrafficPolicy", None)


def _hooks(dependencies: Dependencies, store: Store) -> Hooks:
    from apiserver.api.core.rest.service import ServiceHooks

    return ServiceHooks(dependencies)


def _cluster_ip_cell(obj: Object, now: float) -> str:
    ips = get(obj, "spec", "clusterIPs") or [get(obj, "spec", "clusterIP") or ""]
    return ips[0] or "<none>"


def _external_ip_cell(obj: Object, now: float) -> str:
    spec, kind = obj.get("spec") or {}, facts.kind_of(obj)
    given = list(spec.get("externalIPs") or ())
    if kind == "ExternalName":
        return spec.get("externalName") or ""
    if kind == "LoadBalancer":
        points = get(obj, "status", "loadBalancer", "ingress") or ()
        found = [point.get("ip") or point.get("hostname") or "" for point in points] + given
        return ",".join(found) or "<pending>"
    return ",".join(given) or "<none>"


def _ports_cell(obj: Object, now: float) -> str:
    shown = []
    for port in get(obj, "spec", "ports") or ():
        number, protocol = port.get("port", 0), port.get("protocol") or "TCP"
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        shown.append(f"{number}{node}/{protocol}")
    return ",".join(shown) or "<none>"


def _selector_cell(obj: Object, now: float) -> str:
    selector = get(obj, "spec", "selector") or {}
    return ",".join(sorted(f"{key}={value}" for key, value in selector.items())) or "<none>"


STRATEGY = ServiceStrategy()
COLUMNS: tuple[Column, ...] = (
    NAME,
    Column(
        "Type",
        lambda obj, now: facts.kind_of(obj),
        description=(
            "type determines how the Service is exposed. Defaults to ClusterIP. Valid options are ExternalName, "
            'ClusterIP, NodePort, and LoadBalancer. "ClusterIP" allocates a cluster-internal IP address for load-'
            "balancing to endpoints. Endpoints are determined by the selector or if that is not specified, by manual "
            'construction of an Endpoints object or EndpointSlice objects. If clusterIP is "None", no virtual IP is '
            'allocated and the endpoints are published as a set of endpoints rather than a virtual IP. "NodePort" '
            "builds on ClusterIP and allocates a port on every node which routes to the same endpoints as the "
            'clusterIP. "LoadBalancer" builds on NodePort and creates an external load-balancer (if supported in the '
            'current cloud) which routes to the same endpoints as the clusterIP. "ExternalName" aliases this service '
            "to the specified externalName. Several other fields do not apply to ExternalName services. More info: "
            "https://kubernetes.io/docs/concepts/services-networking/service/#publishing-services-service-types"
        ),
    ),
    Column(
        "Cluster-IP",
        _cluster_ip_cell,
        description=(
            "clusterIP is the IP address of the service and is usually assigned randomly. If an address is specified "
            "manually, is in-range (as per system configuration), and is not in use, it will be allocated to the "
            "service; otherwise creation of the service will fail. This field may not be changed through updates "
            "unless the type field is also being changed to ExternalName (which requires this field to be blank) or "
            "the type field is being changed from ExternalName (in which case this field may optionally be specified, "
            'as describe above).  Valid values are "None", empty string (""), or a valid IP address. Setting this to '
            '"None" makes a "headless service" (no virtual IP), which is useful when direct endpoint connections are '
            "preferred and proxying is not required.  Only applies to types ClusterIP, NodePort, and LoadBalancer. If "
            "this field is specified when creating a Service of type ExternalName, creation will fail. This field will"
            " be wiped when updating a Service to type ExternalName. More info: "
            "https://kubernetes.io/docs/concepts/services-networking/service/#virtual-ips-and-service-proxies"
        ),
    ),
    Column(
        "External-IP",
        _external_ip_cell,
        description=(
            "externalIPs is a list of IP addresses for which nodes in the cluster will also accept traffic for this "
            "service.  These IPs are not managed by Kubernetes.  The user is responsible for ensuring that traffic "
            "arrives at a node with this IP.  A common example is external load-balancers that are not part of the "
            "Kubernetes system."
        ),
    ),
    Column(
        "Port(s)",
        _ports_cell,
        description=(
            "The list of ports that are exposed by this service. More info: "
            "https://kubernetes.io/docs/concepts/services-networking/service/#virtual-ips-and-service-proxies"
        ),
    ),
    AGE,
    Column(
        "Selector",
        _selector_cell,
        priority=1,
        description=(
            "Route service traffic to pods with label keys and values matching this selector. If empty or not present,"
            " the service is assumed to have an external process managing its endpoints, which Kubernetes will not "
            "modify. Only applies to types ClusterIP, NodePort, and LoadBalancer. Ignored if type is ExternalName. "
            "More info: https://kubernetes.io/docs/concepts/services-networking/service/"
        ),
    ),
)


def _proxy_rest(dependencies: Dependencies, store: Store) -> Any:
    from apiserver.api.core.rest.proxies import ServiceProxyRest

    return ServiceProxyRest(dependencies, store)


RESOURCE = Resource(
    group="",
    plural="services",
    kind="Service",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    storage_prefix="/registry/services/specs",
    short_names=("svc",),
    categories=("all",),
    strategy=STRATEGY,
    hooks=_hooks,
    decorate=_decorate,
    empty={"spec": {}, "status": {"loadBalancer": {}}},
    selectable={
        "spec.clusterIP": lambda obj: get(obj, "spec", "clusterIP", default=""),
        "spec.type": lambda obj: get(obj, "spec", "type", default=""),
    },
    subresources=(
        Subresource(
            name="proxy",
            verbs=("connect",),
            kind=GroupVersionKind("", "v1", "ServiceProxyOptions"),
            rest=_proxy_rest,
        ),
        Subresource(name="status", strategy=ServiceStatusStrategy(STRATEGY)),
    ),
    columns=COLUMNS,
)
