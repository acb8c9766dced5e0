"""How many replicas metrics ask for: pure functions (upstream pkg/controller/podautoscaler/replica_calculator.go).

Pods that are not ready yet, or of which nothing is known, are counted so that they can only make the change smaller.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from apiserver.apimachinery import quantity
from apiserver.apimachinery.clock import parse_rfc3339
from apiserver.apimachinery.objects import Object
from controllers.framework import pods as pod_facts
from controllers.loops.horizontalpodautoscaler.metrics import MetricError, PodMetric

CPU_INITIALIZATION = 300.0  # seconds after its start in which a pod's CPU is not representative
INITIAL_READINESS = 30.0  # seconds in which a pod that is not ready may never have been
NO_PODS = "no pods returned by selector while calculating replica count"
NO_METRICS = "did not receive metrics for targeted pods (pods might be unready)"


class Tolerances(NamedTuple):
    """How far usage may be from its target before anything is done, as fractions."""

    down: float
    up: float

    def holds(self, ratio: float) -> bool:
        return 1.0 - self.down <= ratio <= 1.0 + self.up


class Groups(NamedTuple):
    """Pods by what is known of them; all but `ready` by name."""

    ready: int
    unready: list[str]
    missing: list[str]
    ignored: list[str]


class Usage(NamedTuple):
    """How usage stands to its target, and in figures: in percent of the requests (where asked), and on average."""

    ratio: float
    percent: int
    average: int


class Proposal(NamedTuple):
    replicas: int
    percent: int
    average: int


def group(pods: Sequence[Object], metrics: Mapping[str, PodMetric], resource: str, now: float) -> Groups:
    groups = Groups(0, [], [], [])
    ready = 0
    for pod in pods:
        name, phase = pod["metadata"]["name"], pod_facts.phase(pod)
        if pod["metadata"].get("deletionTimestamp") or phase == "Failed":
            groups.ignored.append(name)
        elif phase == "Pending":
            groups.unready.append(name)
        elif name not in metrics:
            groups.missing.append(name)
        elif resource == "cpu" and _warms_up(pod, metrics[name], now):
            groups.unready.append(name)
        else:
            ready += 1
    return groups._replace(ready=ready)


def _warms_up(pod: Object, metric: PodMetric, now: float) -> bool:
    """Does the CPU metric say nothing about the pod's work yet?"""
    condition, started = pod_facts.condition(pod, "Ready"), (pod.get("status") or {}).get("startTime")
    if condition is None or not started:
        return True
    start, since = parse_rfc3339(started), parse_rfc3339(condition["lastTransitionTime"])
    unready = condition["status"] == "False"
    if start + CPU_INITIALIZATION > now:
        return unready or metric.timestamp < since + metric.window
    return unready and start + INITIAL_READINESS > since


def requests(pods: Sequence[Object], container: str, resource: str) -> dict[str, int]:
    """What each pod requests, in thousandths. Raises MetricError when one requests nothing."""
    return {pod["metadata"]["name"]: _request(pod, container, resource) for pod in pods}


def _request(pod: Object, container: str, resource: str) -> int:
    spec, name = pod["spec"], pod["metadata"]["name"]
    of_pod = (spec.get("resources") or {}).get("requests") or {}
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    containers = [*spec["containers"], *sidecars]
    if of_pod and not container:
        texts = [of_pod[resource]] if resource in of_pod else _given(containers, resource)
        if not texts:
            raise MetricError(f"missing pod-level request for {resource} in Pod {name}")
        return sum(quantity.parse(str(text)).milli_value for text in texts)
    total = 0
    for c in containers:
        if container not in ("", c["name"]):
            continue
        given = _given([c], resource)
        if not given:
            raise MetricError(f"missing request for {resource} in container {c['name']} of Pod {name}")
        total += quantity.parse(str(given[0])).milli_value
        if container:
            return total
    if container:
        raise MetricError(f"container {container} not found in Pod {name}")
    return total


def _given(containers: Sequence[Object], resource: str) -> list[str]:
    found = ((c.get("resources") or {}).get("requests") or {} for c in containers)
    return [r[resource] for r in found if resource in r]


def utilization(metrics: Mapping[str, PodMetric], requested: Mapping[str, int], target: int) -> Usage:
    """Usage as a share of requests, over pods of which both are known. Raises MetricError when there is none."""
    known = [name for name in metrics if name in requested]
    total, of = sum(metrics[name].value for name in known), sum(requested[name] for name in known)
    if of == 0:
        raise MetricError("no metrics returned matched known pods")
    percent = total * 100 // of
    return Usage(percent / target, percent, total // len(known))


def plain_usage(metrics: Mapping[str, PodMetric], target: int) -> Usage:
    average = sum(metric.value for metric in metrics.values()) // len(metrics)
    return Usage(average / target, 0, average)


def per_pod(
    current: int,
    pods: Sequence[Object],
    metrics: dict[str, PodMetric],
    resource: str,
    tolerances: Tolerances,
    now: float,
    measure: Callable[[Mapping[str, PodMetric]], Usage],
    assumed_low: Callable[[str], int],
) -> Proposal:
    """The replicas that a metric of each pod asks for. `metrics` is used up; `assumed_low(pod)`: what a pod of which
    nothing is known is taken to use when usage is low. Raises MetricError."""
    if not pods:
        raise MetricError(NO_PODS)
    groups = group(pods, metrics, resource, now)
    for name in (*groups.ignored, *groups.unready):
        metrics.pop(name, None)
    if not metrics:
        raise MetricError(NO_METRICS)
    usage = measure(metrics)
    growing = usage.ratio > 1.0 and bool(groups.unready)
    if not growing and not groups.missing:
        count = current if tolerances.holds(usage.ratio) else math.ceil(usage.ratio * groups.ready)
        return Proposal(count, usage.percent, usage.average)
    _assume(metrics, groups, usage.ratio, assumed_low, growing=growing)
    ratio = measure(metrics).ratio
    count = math.ceil(ratio * len(metrics))
    turned = (usage.ratio < 1.0 < ratio) or (ratio < 1.0 < usage.ratio)
    backwards = (ratio < 1.0 and count > current) or (ratio > 1.0 and count < current)
    if tolerances.holds(ratio) or turned or backwards:
        count = current
    return Proposal(count, usage.percent, usage.average)


def _assume(
    metrics: dict[str, PodMetric], groups: Groups, ratio: float, low: Callable[[str], int], *, growing: bool
) -> None:
    """Put figures in for the pods without: those that make the change smaller."""
    for name in groups.missing:
        if ratio < 1.0:
            metrics[name] = PodMetric(low(name), 0.0, 0.0)
        elif ratio > 1.0:
            metrics[name] = PodMetric(0, 0.0, 0.0)
    if growing:
        for name in groups.unready:
            metrics[name] = PodMetric(0, 0.0, 0.0)


def in_total(current: int, usage: int, target: int, tolerances: Tolerances, pods: Sequence[Object]) -> int:
    """The replicas that a value, which all pods bring about together, asks for."""
    ratio = usage / target
    if current == 0:
        return math.ceil(ratio)
    if tolerances.holds(ratio):
        return current
    if not pods:
        raise MetricError(f"unable to calculate ready pods: {NO_PODS}")
    ready = sum(pod_facts.phase(pod) == "Running" and pod_facts.is_ready(pod) for pod in pods)
    return min(math.ceil(ratio * ready), 2**31 - 1)


def shared(replicas: int, usage: int, target: int, tolerances: Tolerances) -> tuple[int, int]:
    """(the replicas that a value shared out among them asks for, each one's share)."""
    if replicas == 0:
        return min(math.ceil(usage / target), 2**31 - 1), 0
    if tolerances.holds(usage / (target * replicas)):
        return replicas, math.ceil(usage / replicas)
    return min(math.ceil(usage / target), 2**31 - 1), math.ceil(usage / replicas)
