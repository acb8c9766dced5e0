"""The subsets of Endpoints in one canonical form: addresses grouped by the ports they all offer.

Mirrors upstream pkg/api/v1/endpoints: an address and port that is anywhere not ready is not ready.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from apiserver.apimachinery.objects import Object

MAX_ADDRESSES = 1000  # upstream maxCapacity: more are cut off and the object says so

_Key = tuple[str, str]  # address, uid of its target
_Port = tuple[int, str, str, str]  # number, protocol, name, application protocol
_NO_PORT: _Port = (-1, "", "", "")


def _key(address: Object) -> _Key:
    return address["ip"], (address.get("targetRef") or {}).get("uid", "")


def _port(port: Object) -> _Port:
    return port["port"], port.get("protocol", "TCP"), port.get("name", ""), port.get("appProtocol", "")


def _wire(port: _Port) -> Object:
    number, protocol, name, application = port
    wire: dict[str, Any] = {"port": number, "protocol": protocol}
    return wire | {k: v for k, v in (("name", name), ("appProtocol", application)) if v}


def repack(subsets: Iterable[Object]) -> list[Object]:
    """Equal content gives equal results, however it was split up."""
    addresses: dict[_Key, Object] = {}
    ready_by_port: dict[_Port, dict[_Key, bool]] = {}
    for subset in subsets:
        for port in [_port(p) for p in subset.get("ports") or ()] or [_NO_PORT]:
            for field, ready in (("addresses", True), ("notReadyAddresses", False)):
                for address in subset.get(field) or ():
                    key = _key(address)
                    addresses.setdefault(key, address)
                    offered = ready_by_port.setdefault(port, {})
                    offered[key] = ready and offered.get(key, True)
    groups: dict[tuple[tuple[_Key, bool], ...], list[_Port]] = {}
    for port, offered in ready_by_port.items():
        groups.setdefault(tuple(sorted(offered.items())), []).append(port)
    return [_subset(addresses, members, ports) for members, ports in sorted(groups.items(), key=_group_order)]


def _group_order(group: tuple[tuple[tuple[_Key, bool], ...], list[_Port]]) -> Any:
    return sorted(group[1]), group[0]


def _subset(addresses: dict[_Key, Object], members: Sequence[tuple[_Key, bool]], ports: list[_Port]) -> Object:
    subset = {
        "addresses": [addresses[key] for key, ready in members if ready],
        "notReadyAddresses": [addresses[key] for key, ready in members if not ready],
        "ports": [_wire(port) for port in sorted(ports) if port != _NO_PORT],
    }
    return {field: values for field, values in subset.items() if values}


def size(subsets: Iterable[Object]) -> int:
    return sum(len(s.get("addresses") or ()) + len(s.get("notReadyAddresses") or ()) for s in subsets)


def truncated(subsets: Sequence[Object]) -> list[Object] | None:
    """At most MAX_ADDRESSES, ready ones first, each subset in proportion; None when nothing has to go."""
    if size(subsets) <= MAX_ADDRESSES:
        return None
    ready = sum(len(s.get("addresses") or ()) for s in subsets)
    field = "addresses" if ready > MAX_ADDRESSES else "notReadyAddresses"
    room = MAX_ADDRESSES if ready > MAX_ADDRESSES else MAX_ADDRESSES - ready
    total = sum(len(s.get(field) or ()) for s in subsets)
    left, cut = room, []
    for subset in subsets:
        mine = subset.get(field) or []
        kept = mine[: min(math.ceil(len(mine) / total * room), left)]
        left -= len(kept)
        smaller = {**subset, field: kept}
        if field == "addresses":
            smaller.pop("notReadyAddresses", None)
        cut.append({k: v for k, v in smaller.items() if v})
    return cut


def comparable(subsets: Iterable[Object]) -> list[Object]:
    """Canonical, without what does not matter: the resourceVersion a target had."""

    def plain(address: Object) -> Object:
        target = address.get("targetRef")
        if target is None:
            return address
        return {**address, "targetRef": {k: v for k, v in target.items() if k != "resourceVersion"}}

    return [{k: [plain(a) for a in v] if k != "ports" else v for k, v in subset.items()} for subset in repack(subsets)]
