"""Where a pod's kubelet listens, and what is said when it cannot be reached.

Mirrors upstream pkg/kubelet/client (NodeConnectionInfoGetter) and the words of Go's dialer.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from apiserver.apimachinery.errors import StatusError, bad_request, not_found
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object, get, name_of
from apiserver.registry.context import Context

if TYPE_CHECKING:
    from apiserver.registry.store import Store

NODES = GroupResource("", "nodes")
DEFAULT_PORT = 10250
# Upstream's --kubelet-preferred-address-types.
ADDRESS_TYPES = ("Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP")


class Location(NamedTuple):
    """A place behind a node's kubelet."""

    host: str
    port: int
    path: str
    query: str

    @property
    def netloc(self) -> str:
        return join_host_port(self.host, self.port)

    @property
    def url(self) -> str:
        return f"https://{self.netloc}{self.path}" + (f"?{self.query}" if self.query else "")


def join_host_port(host: str, port: int | str) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def kubelet_location(
    ctx: Context,
    nodes: Store,
    resource: GroupResource,
    node_name: str,
    path: str,
    params: Sequence[tuple[str, str]],
    address_types: Sequence[str] = ADDRESS_TYPES,
) -> Location:
    """The location of `path` on the node's kubelet; a missing node is a 404 of the resource that was asked."""
    try:
        node = nodes.object(await nodes.get(ctx, node_name))
    except StatusError as e:
        if e.reason != "NotFound":
            raise
        raise not_found(resource, node_name) from e
    port = get(node, "status", "daemonEndpoints", "kubeletEndpoint", "Port", default=0) or DEFAULT_PORT
    return Location(
        _preferred_address(node, address_types), port, path, urlencode(sorted(params, key=lambda pair: pair[0]))
    )


def _preferred_address(node: Object, address_types: Sequence[str]) -> str:
    addresses = get(node, "status", "addresses", default=())
    for kind in address_types:
        for address in addresses:
            if address.get("type") == kind:
                return address.get("address") or ""
    shown = " ".join(f"{{{a.get('type') or ''} {a.get('address') or ''}}}" for a in addresses)
    raise StatusError(500, "", f"no preferred addresses found; known addresses: [{shown}]")


def dial_error(error: OSError, netloc: str) -> str:
    """What Go's dialer says of a connection that was not made."""
    number = error.errno or 0
    why = os.strerror(number).lower() if number in errno.errorcode else str(error)
    return f"dial tcp {netloc}: connect: {why}"


def container_of(pod: Object, container: str) -> str:
    """The container that is meant (upstream validateContainer)."""
    spec, name = pod["spec"], name_of(pod)
    kinds = ("initContainers", "containers", "ephemeralContainers")
    known = [each.get("name") or "" for kind in kinds for each in spec.get(kind) or ()]
    if container:
        if container not in known:
            raise bad_request(f"container {container} is not valid for pod {name}")
        return container
    if len(spec["containers"]) == 1:
        return spec["containers"][0].get("name") or ""
    raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{' '.join(known)}]")
