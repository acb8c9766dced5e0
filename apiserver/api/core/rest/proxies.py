"""`proxy` of pods, nodes and services: the checks upstream makes before it forwards anything.

Mirrors the ResourceLocation functions of upstream registry/core/{pod,node,service}; the dialer forwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiserver.api.core.rest.dialing import Dialer, path_of, with_slash
from apiserver.api.core.rest.kubelets import NODES, join_host_port, kubelet_location
from apiserver.apimachinery.addresses import parse_sloppy
from apiserver.apimachinery.errors import bad_request, go_value, service_unavailable
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.http import AnyResponse, Request
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context

if TYPE_CHECKING:
    from apiserver.registry.dependencies import Dependencies
    from apiserver.registry.store import Store

SLICES = GroupResource("discovery.k8s.io", "endpointslices")


def split_scheme_name_port(text: str) -> tuple[str, str, str] | None:
    """`name`, `name:port` or `scheme:name:port` (upstream utilnet.SplitSchemeNamePort); None when it is none of these."""
    parts = text.split(":")
    scheme, port = "", ""
    if len(parts) == 1:
        name = parts[0]
    elif len(parts) == 2:
        name, port = parts
    elif len(parts) == 3:
        scheme, name, port = parts
        if scheme not in ("", "http", "https"):
            return None
    else:
        return None
    return (scheme, name, port) if name else None


def check_global_unicast(text: str) -> None:
    """Upstream's guard against proxies to the server itself, link-local and multicast addresses."""
    address = parse_sloppy(text) if text else None
    if (
        address is None
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or str(address) == "255.255.255.255"
    ):
        raise bad_request("address not allowed")


def _options(kind: str, request: Request) -> Object:
    parts = request.info.parts[3:] if request.info is not None else ()  # behind resource, name and `proxy`
    path = "/" + "/".join(parts) if parts else ""
    return {"kind": kind, "apiVersion": "v1", **({"path": path} if path else {})}


class _ProxyRest:
    """What is common: the options admission sees, and the way out."""

    kind = ""

    def __init__(self, dependencies: Dependencies, store: Store) -> None:
        self._dependencies = dependencies
        self._store = store
        self._dialer: Dialer = dependencies.dialer or Dialer()

    def connect_options(self, request: Request) -> Object:
        return _options(self.kind, request)

    async def _forward(self, request: Request, scheme: str, netloc: str, *, kubelet: bool = False) -> AnyResponse:
        path = path_of(request)
        if not path and request.method in ("GET", "HEAD") and not request.path.endswith("/"):
            return with_slash(request)
        query = f"?{request.raw_query}" if request.raw_query else ""
        url = f"{scheme or 'http'}://{netloc}{path or '/'}{query}"
        return await self._dialer.forward(request, url, netloc, kubelet=kubelet)


class PodProxyRest(_ProxyRest):
    """`pods/proxy`."""

    kind = "PodProxyOptions"

    async def connect(self, ctx: Context, name: str, request: Request) -> AnyResponse:
        parts = split_scheme_name_port(name)
        if parts is None:
            raise bad_request(f"invalid pod request {go_value(name)}")
        scheme, pod_name, port = parts
        pod = self._store.object(await self._store.get(ctx, pod_name))
        if not port:
            found = (str(c["ports"][0]["containerPort"]) for c in pod["spec"]["containers"] if c.get("ports"))
            port = next(found, "")
        address = get(pod, "status", "podIPs", 0, "ip", default="")
        check_global_unicast(address)
        return await self._forward(request, scheme, join_host_port(address, port) if port else address)


class NodeProxyRest(_ProxyRest):
    """`nodes/proxy`."""

    kind = "NodeProxyOptions"

    async def connect(self, ctx: Context, name: str, request: Request) -> AnyResponse:
        parts = split_scheme_name_port(name)
        if parts is None:
            raise bad_request(f"invalid node request {go_value(name)}")
        scheme, node_name, port = parts
        types = self._dialer.address_types
        location = await kubelet_location(ctx, self._store, NODES, node_name, "", (), types)
        kubelet = port in ("", str(location.port))
        if not kubelet or location.host != f"{node_name}.localhost":  # where a simulated node's kubelet listens
            check_global_unicast(location.host)
        if kubelet:
            return await self._forward(request, "https", location.netloc, kubelet=True)
        return await self._forward(request, scheme, join_host_port(location.host, port))


class ServiceProxyRest(_ProxyRest):
    """`services/proxy`: to one of the endpoints, at random."""

    kind = "ServiceProxyOptions"

    async def connect(self, ctx: Context, name: str, request: Request) -> AnyResponse:
        parts = split_scheme_name_port(name)
        if parts is None:
            raise bad_request(f"invalid service request {go_value(name)}")
        scheme, service_name, port = parts
        if port.isdigit():
            service = self._store.object(await self._store.get(ctx, service_name))
            port = _port_name(service, int(port))
        places = await self._places(ctx, service_name, port)
        if not places:
            raise service_unavailable(f"no endpoints available for service {go_value(service_name)}")
        return await self._forward(request, scheme, self._dependencies.rand.choice(places))

    async def _places(self, ctx: Context, service: str, port: str) -> list[str]:
        """host:port of every ready endpoint that is a pod."""
        found = []
        for item in self._dependencies.listers(SLICES).list(ctx.namespace):
            labels = (item.get("metadata") or {}).get("labels") or {}
            if labels.get("kubernetes.io/service-name") != service:
                continue
            numbers = [each.get("port") for each in item.get("ports") or () if (each.get("name") or "") == port]
            for endpoint in item.get("endpoints") or ():
                ready = (endpoint.get("conditions") or {}).get("ready", True)
                if ready is not False and (endpoint.get("targetRef") or {}).get("kind") == "Pod":
                    found += [join_host_port(endpoint["addresses"][0], number) for number in numbers if number]
        return found


def _port_name(service: Object, number: int) -> str:
    for port in service["spec"].get("ports") or ():
        if port["port"] == number:
            return port.get("name") or ""
    name = service["metadata"]["name"]
    raise service_unavailable(f"no service port {number} found for service {go_value(name)}")
