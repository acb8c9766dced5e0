"""What a PodDisruptionBudget allows: pure functions (upstream pkg/controller/disruption)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiserver.apimachinery import intstr, labels
from apiserver.apimachinery.clock import parse_rfc3339
from apiserver.apimachinery.objects import Object
from controllers.framework import pods as pod_facts
from controllers.framework.conditions import with_condition

API_VERSION, KIND = "policy/v1", "PodDisruptionBudget"
DELETION_TIMEOUT = 120.0  # seconds an evicted pod is given until its deletion is seen
STALE_AFTER = 120.0  # seconds a DisruptionTarget condition may announce a deletion that does not come
CONDITION = "DisruptionAllowed"


def selector_of(budget: Object) -> labels.Selector:
    return labels.from_label_selector(budget["spec"].get("selector"))


def needs_scale(budget: Object) -> bool:
    """Is the number of pods that should be there asked of their owners, not counted?"""
    spec = budget["spec"]
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def desired_healthy(budget: Object, expected: int) -> int:
    """How many of `expected` pods have to be healthy. Raises ValueError for a text that is no percentage."""
    spec = budget["spec"]
    if spec.get("maxUnavailable") is not None:
        return max(expected - intstr.scaled(spec["maxUnavailable"], expected, round_up=True), 0)
    if spec.get("minAvailable") is None:
        return 0
    return intstr.scaled(spec["minAvailable"], expected, round_up=True)


def split_disrupted(budget: Object, pods: Sequence[Object], now: float) -> tuple[dict[str, str], list[Object]]:
    """(pods whose eviction was granted and whose deletion is still to be seen, pods that should be gone by now)."""
    granted: dict[str, str] = (budget.get("status") or {}).get("disruptedPods") or {}
    waiting, overdue = dict[str, str](), list[Object]()
    for pod in pods:
        since = granted.get(pod["metadata"]["name"])
        if since is None or pod["metadata"].get("deletionTimestamp"):
            continue
        if parse_rfc3339(since) + DELETION_TIMEOUT < now:
            overdue.append(pod)
        else:
            waiting[pod["metadata"]["name"]] = since
    return waiting, overdue


def count_healthy(pods: Sequence[Object], disrupted: dict[str, str], now: float) -> int:
    def counts(pod: Object) -> bool:
        since = disrupted.get(pod["metadata"]["name"])
        leaving = since is not None and parse_rfc3339(since) + DELETION_TIMEOUT > now
        return not pod["metadata"].get("deletionTimestamp") and not leaving and pod_facts.is_ready(pod)

    return sum(counts(pod) for pod in pods)


def status_of(
    budget: Object, healthy: int, desired: int, expected: int, disrupted: dict[str, str], now: float
) -> Object:
    allowed = max(healthy - desired, 0) if expected > 0 else 0
    generation = budget["metadata"].get("generation", 0)
    status: dict[str, Any] = {
        "observedGeneration": generation,
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "conditions": (budget.get("status") or {}).get("conditions") or [],
    }
    if disrupted:
        status["disruptedPods"] = disrupted
    if allowed:
        return told(status, "True", "SufficientPods", "", generation, now)
    return told(status, "False", "InsufficientPods", "", generation, now)


def failed_status(budget: Object, message: str, now: float) -> Object:
    """The budget could not be worked out: nothing is allowed."""
    status = {**(budget.get("status") or {}), "disruptionsAllowed": 0}
    return told(status, "False", "SyncFailed", message, status.get("observedGeneration", 0), now)


def told(status: Object, value: str, reason: str, message: str, generation: int, now: float) -> Object:
    """The status with its condition brought up to date."""
    made: dict[str, Any] = {"type": CONDITION, "status": value, "reason": reason, "message": message}
    if generation:
        made["observedGeneration"] = generation
    return {**status, "conditions": with_condition(status.get("conditions") or (), made, now)}


def stale_wait(pod: Object, now: float) -> float | None:
    """Seconds until the pod's announced disruption is stale; None when it announces none that could be."""
    condition = pod_facts.condition(pod, "DisruptionTarget")
    if condition is None or condition["status"] != "True" or condition.get("reason") == "TerminationByKubelet":
        return None
    if not pod_facts.is_active(pod):
        return None
    since = condition.get("lastTransitionTime")
    return max(STALE_AFTER - (now - (parse_rfc3339(since) if since else 0.0)), 0.0)
