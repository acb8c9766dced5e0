"""Amounts of resources against bounds: what LimitRanger compares and how upstream words what is out of bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from apiserver.apimachinery import quantity
from apiserver.apimachinery.quantity import Quantity

Amounts: TypeAlias = Mapping[str, Quantity]

MAX_MILLI_VALUE = (2**63 - 1) // 1000
POD_LEVEL = ("cpu", "memory")  # resources that a pod as a whole may name
_NONE = quantity.of(0)


def amounts(raw: Mapping[str, Any] | None) -> dict[str, Quantity]:
    return {name: quantity.parse(str(amount)) for name, amount in (raw or {}).items()}


def pod_amounts(spec: Mapping[str, Any], field: str) -> dict[str, Quantity]:
    """What a pod requests, or is limited to, altogether (upstream podRequests, podLimits).

    Containers and sidecars add up; init containers run one after the other, beside the sidecars before them.
    """
    total: dict[str, Quantity] = {}
    for container in spec.get("containers") or ():
        _add(total, _amounts_of(container, field))
    sidecars: dict[str, Quantity] = {}
    peak: dict[str, Quantity] = {}
    for container in spec.get("initContainers") or ():
        own = _amounts_of(container, field)
        if container.get("restartPolicy") == "Always":
            _add(total, own)
            _add(sidecars, own)
            _raise_to(peak, sidecars)
        else:
            _add(own, sidecars)
            _raise_to(peak, own)
    _raise_to(total, peak)
    whole = amounts((spec.get("resources") or {}).get(field))
    total.update({name: amount for name, amount in whole.items() if name in POD_LEVEL})
    return total


def _amounts_of(container: Mapping[str, Any], field: str) -> dict[str, Quantity]:
    return amounts((container.get("resources") or {}).get(field))


def _add(total: dict[str, Quantity], more: Amounts) -> None:
    for name, amount in more.items():
        total[name] = total[name] + amount if name in total else amount


def _raise_to(total: dict[str, Quantity], other: Amounts) -> None:
    for name, amount in other.items():
        if name not in total or amount > total[name]:
            total[name] = amount


def _comparable(*quantities: Quantity) -> tuple[int, ...]:
    """Thousandths where they fit into an int64, else whole units."""
    values = tuple([q.value for q in quantities])
    if all(value <= MAX_MILLI_VALUE for value in values):
        return tuple([q.milli_value for q in quantities])
    return values


def min_constraint(kind: str, name: str, enforced: Quantity, requests: Amounts, limits: Amounts) -> str:
    bound = f"minimum {name} usage per {kind} is {enforced}"
    if name not in requests:
        return f"{bound}.  No request is specified"
    request, limit, least = _comparable(requests[name], limits.get(name, _NONE), enforced)
    if request < least:
        return f"{bound}, but request is {requests[name]}"
    if name in limits and limit < least:
        return f"{bound}, but limit is {limits[name]}"
    return ""


def max_constraint(kind: str, name: str, enforced: Quantity, requests: Amounts, limits: Amounts) -> str:
    bound = f"maximum {name} usage per {kind} is {enforced}"
    if name not in limits:
        return f"{bound}.  No limit is specified"
    request, limit, most = _comparable(requests.get(name, _NONE), limits[name], enforced)
    if limit > most:
        return f"{bound}, but limit is {limits[name]}"
    if name in requests and request > most:
        return f"{bound}, but request is {requests[name]}"
    return ""


def max_request_constraint(kind: str, name: str, enforced: Quantity, requests: Amounts) -> str:
    bound = f"maximum {name} usage per {kind} is {enforced}"
    if name not in requests:
        return f"{bound}.  No request is specified"
    request, most = _comparable(requests[name], enforced)
    return f"{bound}, but request is {requests[name]}" if request > most else ""


def ratio_constraint(kind: str, name: str, enforced: Quantity, requests: Amounts, limits: Amounts) -> str:
    bound = f"{name} max limit to request ratio per {kind} is {enforced}"
    request, limit, _ = _comparable(requests.get(name, _NONE), limits.get(name, _NONE), enforced)
    if not request:
        return f"{bound}, but no request is specified or request is 0"
    if not limit:
        return f"{bound}, but no limit is specified or limit is 0"
    ratio = limit / request
    most = enforced.milli_value / 1000 if enforced.value <= MAX_MILLI_VALUE else float(enforced.value)
    return f"{bound}, but provided ratio is {ratio:f}" if ratio > most else ""
