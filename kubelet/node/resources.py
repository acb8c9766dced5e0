"""What a pod asks for as a whole (upstream component-helpers/resource: PodRequests, PodLimits)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.quantity import Quantity, parse
from kubelet.node import facts

Amounts = dict[str, Quantity]
POD_LEVEL = ("cpu", "memory")  # and hugepages-*


def amounts(listed: dict[str, Any] | None) -> Amounts:
    return {name: parse(str(value)) for name, value in (listed or {}).items()}


def shown(found: Amounts) -> dict[str, str]:
    return {name: str(value) for name, value in found.items()}


def _add(total: Amounts, more: Amounts) -> Amounts:
    summed = dict(total)
    for name, value in more.items():
        summed[name] = summed[name] + value if name in summed else value
    return summed


def _most(one: Amounts, other: Amounts) -> Amounts:
    return {
        name: max((found[name] for found in (one, other) if name in found), key=lambda quantity: quantity)
        for name in dict.fromkeys((*one, *other))
    }


def _aggregate(pod: Object, kind: str) -> Amounts:
    """Main containers and sidecars together, or the largest moment of initialization."""
    total: Amounts = {}
    for container in facts.containers(pod):
        total = _add(total, amounts((container.get("resources") or {}).get(kind)))
    sidecars: Amounts = {}
    largest: Amounts = {}
    for container in facts.init_containers(pod):
        own = amounts((container.get("resources") or {}).get(kind))
        if facts.is_sidecar(container):
            total, sidecars = _add(total, own), _add(sidecars, own)
            own = sidecars
        else:
            own = _add(own, sidecars)
        largest = _most(largest, own)
    return _most(total, largest)


def _with_pod_level(pod: Object, kind: str) -> Amounts:
    found = _aggregate(pod, kind)
    for name, value in amounts((pod["spec"].get("resources") or {}).get(kind)).items():
        if name in POD_LEVEL or name.startswith("hugepages-"):
            found[name] = value
    return found


def requests_of(pod: Object) -> Amounts:
    """Requests with the overhead of the runtime class."""
    return _add(_with_pod_level(pod, "requests"), amounts(pod["spec"].get("overhead")))


def pod_requests(pod: Object) -> dict[str, str]:
    return shown(requests_of(pod))


def pod_limits(pod: Object) -> dict[str, str]:
    found = _with_pod_level(pod, "limits")
    overhead = amounts(pod["spec"].get("overhead"))
    return shown(_add(found, {name: value for name, value in overhead.items() if name in found}))


def total_requests(pods: Iterable[Object]) -> Amounts:
    total: Amounts = {}
    for pod in pods:
        total = _add(total, requests_of(pod))
    return total
