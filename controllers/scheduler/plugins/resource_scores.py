"""How a node scores by its resources: least or most allocated, by a given shape, or balanced.

Mirrors upstream plugins/noderesources. Scorers take (requested, allocated, allocatable) by resource; the first counts the pod.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from controllers.scheduler.framework.node_info import NodeInfo
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.resources import CPU, MEMORY, is_scalar

MAX_UTILIZATION = 100
DEFAULT_RESOURCES: tuple[tuple[str, int], ...] = ((CPU, 1), (MEMORY, 1))

Scorer = Callable[[Sequence[int], Sequence[int], Sequence[int]], int]


def pod_amounts(pod: PodInfo, names: Sequence[str], *, non_zero: bool) -> list[int]:
    """What the pod adds; with `non_zero` containers that request nothing count for something."""
    given = {CPU: pod.non_zero_cpu, MEMORY: pod.non_zero_memory} if non_zero else {}
    return [given[name] if name in given else pod.requests.get(name) for name in names]


def node_amounts(
    node: NodeInfo, wanted: Sequence[int], names: Sequence[str], *, non_zero: bool
) -> tuple[list[int], list[int], list[int]]:
    """(requested, allocated, allocatable); a scalar resource that the pod does not want stays 0 and does not count."""
    requested, allocated, allocatable = [0] * len(names), [0] * len(names), [0] * len(names)
    for i, name in enumerate(names):
        if wanted[i] == 0 and is_scalar(name):
            continue
        capacity = node.allocatable.get(name)
        if capacity == 0:
            continue
        if non_zero and name == CPU:
            used = node.non_zero_cpu
        elif non_zero and name == MEMORY:
            used = node.non_zero_memory
        else:
            used = node.requested.get(name)
        requested[i], allocated[i], allocatable[i] = used + wanted[i], used, capacity
    return requested, allocated, allocatable


def _weighted(weights: Sequence[int], one: Callable[[int, int], int]) -> Scorer:
    def score(requested: Sequence[int], allocated: Sequence[int], allocatable: Sequence[int]) -> int:
        total = parts = 0
        for wanted, capacity, weight in zip(requested, allocatable, weights, strict=True):
            if capacity:
                total += one(wanted, capacity) * weight
                parts += weight
        return total // parts if parts else 0

    return score


def least_allocated(weights: Sequence[int]) -> Scorer:
    return _weighted(
        weights, lambda wanted, capacity: 0 if wanted > capacity else (capacity - wanted) * 100 // capacity
    )


def most_allocated(weights: Sequence[int]) -> Scorer:
    return _weighted(weights, lambda wanted, capacity: min(wanted, capacity) * 100 // capacity)


def requested_to_capacity_ratio(weights: Sequence[int], shape: Sequence[Mapping[str, int]]) -> Scorer:
    """Scores of the shape go from 0 to 10; a resource that scores 0 does not count, as upstream."""
    points = [(p["utilization"], p["score"] * 10) for p in shape]

    def score(requested: Sequence[int], allocated: Sequence[int], allocatable: Sequence[int]) -> int:
        total = parts = 0
        for wanted, capacity, weight in zip(requested, allocatable, weights, strict=True):
            if not capacity:
                continue
            full = wanted > capacity
            value = broken_linear(points, MAX_UTILIZATION if full else wanted * MAX_UTILIZATION // capacity)
            if value > 0:
                total += value * weight
                parts += weight
        return math.floor(total / parts + 0.5) if parts else 0

    return score


def broken_linear(points: Sequence[tuple[int, int]], utilization: int) -> int:
    for i, (x, y) in enumerate(points):
        if utilization <= x:
            if i == 0:
                return y
            x0, y0 = points[i - 1]
            return y0 + _toward_zero((y - y0) * (utilization - x0), x - x0)
    return points[-1][1]


def _toward_zero(value: int, divisor: int) -> int:
    return value // divisor if value >= 0 else -(-value // divisor)


def balanced(requested: Sequence[int], allocated: Sequence[int], allocatable: Sequence[int]) -> int:
    """Does the pod bring the node's resources into balance, or out of it? 75 is neither."""
    change = _balance(requested, allocatable) - _balance(allocated, allocatable)
    return 50 + _toward_zero(50 + change, 2)


def _balance(used: Sequence[int], allocatable: Sequence[int]) -> int:
    fractions = [min(u / capacity, 1.0) for u, capacity in zip(used, allocatable, strict=True) if capacity]
    deviation = 0.0
    if len(fractions) == 2:
        deviation = abs((fractions[0] - fractions[1]) / 2)
    elif len(fractions) > 2:
        mean = sum(fractions) / len(fractions)
        deviation = math.sqrt(sum((f - mean) * (f - mean) for f in fractions) / len(fractions))
    return int((1 - deviation) * 100)


def resources_of(args: Any) -> list[tuple[str, int]]:
    """(name, weight) from a list of ResourceSpec; a weight that is left out is 1."""
    return [(r["name"], r.get("weight") or 1) for r in args or ()]
