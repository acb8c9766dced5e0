"""`proxy` of pods, nodes and services: the checks upstream makes before it forwards anything.

Mirrors the ResourceLocation functions of upstream registry/core/{pod,node,service}. Forwarding itself is not done yet:
what would be forwarded is answered with 503.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiserver.api.core.rest.kubelets import NODES, join_host_port, kubelet_location
from apiserver.apimachinery.addresses import parse_sloppy
from apiserver.apimachinery.errors import bad_request, go_value, service_unavailable
from apiserver.apimachinery.http import AnyResponse, Request
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context

if TYPE_CHECKING:
    from apiserver.registry.store import Store


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
    path = "/" + "/".join(request.info.parts) if request.info is not None and request.info.parts else ""
    return {"kind": kind, "apiVersion": "v1", **({"path": path} if path else {})}


def _not_carried(place: str) -> Exception:
    return service_unavailable(f"requests to {place} are not carried by this server")


class PodProxyRest:
    """`pods/proxy`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def connect_options(self, request: Request) -> Object:
        return _options("PodProxyOptions", request)

    async def connect(self, ctx: Context, name: str, request: Request) -> AnyResponse:
        parts = split_scheme_name_port(name)
        if parts is None:
            raise bad_request(f"invalid pod request {go_value(name)}")
        _, pod_name, port = parts
        pod = self._store.object(await self._store.get(ctx, pod_name))
        if not port:
            found = (str(c["ports"][0]["containerPort"]) for c in pod["spec"]["containers"] if c.get("ports"))
            port = next(found, "")
        address = get(pod, "status", "podIPs", 0, "ip", default="")
        check_global_unicast(address)
        raise _not_carried(join_host_port(address, port) if port else address)


class NodeProxyRest:
    """`nodes/proxy`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def connect_options(self, request: Request) -> Object:
        return _options("NodeProxyOptions", request)

    async def connect(self, ctx: Context, name: str, request: Request) -> AnyResponse:
        parts = split_scheme_name_port(name)
        if parts is None:
            raise bad_request(f"invalid node request {go_value(name)}")
        _, node_name, port = parts
        location = await kubelet_location(ctx, self._store, NODES, node_name, "", ())
        check_global_unicast(location.host)
        raise _not_carried(join_host_port(location.host, port or location.port))
