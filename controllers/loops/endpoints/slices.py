"""How endpoints are spread over EndpointSlices: pure decisions, with as few changed slices as may be.

Mirrors upstream k8s.io/endpointslice reconciler.go: what is right stays where it is; changed slices are filled up first,
the fullest before others; what is left goes into one slice with room for all of it, or into new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from apiserver.apimachinery import objects
from apiserver.apimachinery.objects import Object

MAX_ENDPOINTS = 100  # upstream --max-endpoints-per-slice

EndpointKey = tuple[tuple[str, ...], str, str, str]  # addresses, hostname, target's namespace and name
PortsKey = tuple[tuple[str, int, str, str], ...]
Ports = list[Object]


def endpoint_key(endpoint: Object) -> EndpointKey:
    """What makes two endpoints the same one."""
    target = endpoint.get("targetRef") or {}
    addresses = tuple(sorted(endpoint.get("addresses") or ()))
    return addresses, endpoint.get("hostname") or "", target.get("namespace", ""), target.get("name", "")


def ports_key(ports: Iterable[Object] | None) -> PortsKey:
    return tuple(
        sorted(
            (p.get("name") or "", p.get("port") or 0, p.get("protocol") or "", p.get("appProtocol") or "")
            for p in ports or ()
        )
    )


def _beyond_key(endpoint: Object) -> Any:
    conditions = endpoint.get("conditions") or {}
    target = {k: v for k, v in (endpoint.get("targetRef") or {}).items() if k != "resourceVersion"}
    return (
        endpoint.get("nodeName"),
        endpoint.get("zone"),
        [conditions.get(name) for name in ("ready", "serving", "terminating")],
        target,
    )


def same(one: Object, other: Object) -> bool:
    """Do two endpoints with the same key also say the same?"""
    return bool(_beyond_key(one) == _beyond_key(other))


@dataclass
class Changes:
    """Slices to write. Those to update are copies; those to delete are the informer's."""

    create: list[Object] = field(default_factory=list)
    update: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)

    def add(self, other: Changes) -> None:
        self.create += other.create
        self.update += other.update
        self.delete += other.delete

    def unchanged(self, existing: Iterable[Object]) -> list[Object]:
        touched = {s["metadata"]["name"] for s in [*self.update, *self.delete]}
        return [s for s in existing if s["metadata"]["name"] not in touched]


def endpoints_of(endpoint_slice: Object) -> list[Object]:
    return endpoint_slice.get("endpoints") or []


def plan(
    existing: Sequence[Object],
    desired: dict[EndpointKey, Object],
    labels: dict[str, str],
    new_slice: Object,
) -> Changes:
    """What becomes of the slices with one set of ports. `desired` is used up.

    `labels` are what every slice should have, `new_slice` is what one to create begins as.
    """
    changes, untouched = _keep(existing, desired, labels)
    changes.update.sort(key=lambda s: -len(endpoints_of(s)))
    for endpoint_slice in changes.update:
        _fill(endpoint_slice, desired)
    while desired:
        room = _with_room(untouched, len(desired))
        if room is None:
            target: Object = objects.copy(new_slice)
            changes.create.append(target)
        else:
            untouched.remove(room)
            target = objects.copy(room)
            changes.update.append(target)
        _fill(target, desired)
    return changes


def _keep(
    existing: Sequence[Object], desired: dict[EndpointKey, Object], labels: dict[str, str]
) -> tuple[Changes, list[Object]]:
    """Take what is right already out of `desired`; the second result are the slices that need no change."""
    changes, untouched = Changes(), []
    for endpoint_slice in existing:
        kept, differs = [], False
        current = endpoints_of(endpoint_slice)
        for endpoint in current:
            wanted = desired.pop(endpoint_key(endpoint), None)
            if wanted is not None:
                kept.append(wanted)
                differs = differs or not same(wanted, endpoint)
        if differs or len(kept) != len(current):
            if kept:
                changes.update.append(_changed(endpoint_slice, labels, kept))
            else:
                changes.delete.append(endpoint_slice)
        elif not labels_fit(endpoint_slice, labels):
            changes.update.append(_changed(endpoint_slice, labels, objects.copy(current)))
        else:
            untouched.append(endpoint_slice)
    return changes, untouched


def _changed(endpoint_slice: Object, labels: dict[str, str], endpoints: list[Object]) -> Object:
    meta: dict[str, Any] = {**objects.copy(endpoint_slice["metadata"]), "labels": dict(labels)}
    rest = {k: objects.copy(v) for k, v in endpoint_slice.items() if k not in ("metadata", "endpoints")}
    return {**rest, "metadata": meta, "endpoints": endpoints}


_RESERVED = ("kubernetes.io/service-name", "endpointslice.kubernetes.io/managed-by", "service.kubernetes.io/headless")


def labels_fit(endpoint_slice: Object, labels: dict[str, str]) -> bool:
    """Are the labels right, those aside that only we set? (upstream setEndpointSliceLabels)"""
    own = {k: v for k, v in objects.labels_of(endpoint_slice).items() if k not in _RESERVED}
    return own == {k: v for k, v in labels.items() if k not in _RESERVED}


def _fill(endpoint_slice: Object, desired: dict[EndpointKey, Object]) -> None:
    endpoints: list[Object] = endpoint_slice.setdefault("endpoints", []) or []
    endpoint_slice["endpoints"] = endpoints
    for key in list(desired)[: max(0, MAX_ENDPOINTS - len(endpoints))]:
        endpoints.append(desired.pop(key))


def _with_room(slices: Sequence[Object], count: int) -> Object | None:
    """The slice that `count` more endpoints fill best; None when they fill a slice of their own, or none has room."""
    if count >= MAX_ENDPOINTS:
        return None
    left = {i: MAX_ENDPOINTS - count - len(endpoints_of(s)) for i, s in enumerate(slices)}
    fitting = [(rest, i) for i, rest in left.items() if 0 <= rest < MAX_ENDPOINTS]
    return slices[min(fitting)[1]] if fitting else None


def recycle(changes: Changes, may_reuse: Callable[[Object, Object], bool]) -> None:
    """Turn creations into updates of slices that would be deleted, where `may_reuse(deleted, created)`."""
    kept = []
    for endpoint_slice in changes.delete:
        if changes.create and may_reuse(endpoint_slice, changes.create[-1]):
            made = changes.create.pop()
            made["metadata"]["name"] = endpoint_slice["metadata"]["name"]
            changes.update.append(made)
        else:
            kept.append(endpoint_slice)
    changes.delete = kept


def add_hints(changes: Changes, existing: Iterable[Object], distribution: str) -> None:
    """Endpoints say whom they are for, as the Service's trafficDistribution asks (empty: no hints at all)."""
    for endpoint_slice in changes.unchanged(existing):
        if any(_hinted(e, distribution) is not None for e in endpoints_of(endpoint_slice)):
            changes.update.append(objects.copy(endpoint_slice))
    for endpoint_slice in [*changes.create, *changes.update]:
        endpoint_slice["endpoints"] = [_hinted(e, distribution) or e for e in endpoints_of(endpoint_slice)]


def _hinted(endpoint: Object, distribution: str) -> Object | None:
    """The endpoint with the hints it should have; None when it has them."""
    if distribution and not (endpoint.get("conditions") or {}).get("ready"):
        return None
    hints: dict[str, Any] = {}
    if distribution and endpoint.get("zone"):
        hints["forZones"] = [{"name": endpoint["zone"]}]
    if distribution == "PreferSameNode" and endpoint.get("nodeName"):
        hints["forNodes"] = [{"name": endpoint["nodeName"]}]
    if (endpoint.get("hints") or {}) == hints:
        return None
    changed = {k: v for k, v in endpoint.items() if k != "hints"}
    return {**changed, "hints": hints} if hints else changed
