"""What loops ask about pods: are they active, ready, available; which go first when there are too many."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import parse_rfc3339
from apiserver.apimachinery.objects import Object

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASE_ORDER = {"Pending": 0, "Unknown": 1, "Running": 2}


def phase(pod: Object) -> str:
    return (pod.get("status") or {}).get("phase") or ""


def is_active(pod: Object) -> bool:
    """Neither finished nor being deleted."""
    return phase(pod) not in ("Succeeded", "Failed") and not pod["metadata"].get("deletionTimestamp")


def is_terminating(pod: Object) -> bool:
    """Being deleted and not finished yet."""
    return bool(pod["metadata"].get("deletionTimestamp")) and phase(pod) not in ("Succeeded", "Failed")


def condition(obj: Object, kind: str) -> dict[str, Any] | None:
    """The status condition of a type."""
    for item in (obj.get("status") or {}).get("conditions") or ():
        if item["type"] == kind:
            return item  # type: ignore[no-any-return]
    return None


def is_ready(pod: Object) -> bool:
    ready = condition(pod, "Ready")
    return ready is not None and ready["status"] == "True"


def ready_since(pod: Object) -> float | None:
    """When the pod became ready, in seconds since the epoch; None when it is not or does not say."""
    ready = condition(pod, "Ready")
    if ready is None or ready["status"] != "True" or not ready.get("lastTransitionTime"):
        return None
    return parse_rfc3339(ready["lastTransitionTime"])


def is_available(pod: Object, min_ready_seconds: int, now: float) -> bool:
    """Ready for at least `min_ready_seconds`."""
    if not is_ready(pod):
        return False
    if min_ready_seconds == 0:
        return True
    since = ready_since(pod)
    return since is not None and since + min_ready_seconds <= now


def next_available(pods: Iterable[Object], min_ready_seconds: int, now: float) -> float | None:
    """Seconds until the next ready pod becomes available by the passing of time alone; None when none will."""
    due = [since + min_ready_seconds for pod in pods if (since := ready_since(pod)) is not None]
    return min((at - now for at in due if at > now), default=None)


def restarts(pod: Object) -> int:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return max((s.get("restartCount", 0) for s in statuses), default=0)


def _deletion_cost(pod: Object) -> int:
    text = objects.annotations_of(pod).get(DELETION_COST, "0")
    try:
        return int(text)
    except ValueError:
        return 0


def _age_bucket(seconds: float | None, now: float) -> int:
    """Ages in powers of two: pods of about the same age are told apart by chance (LogarithmicScaleDown)."""
    age = 0.0 if seconds is None else (now - seconds) * 1e9  # upstream counts nanoseconds: log2 of a Duration
    return int(math.log2(age)) if age > 0 else -1


def deletion_order(
    pods: Sequence[Object], rank: Callable[[Object], int], now: float, tie_break: Callable[[Object], Any]
) -> list[Object]:
    """Pods in the order they should go (upstream ActivePodsWithRanks): what is lost least comes first.

    `rank` tells how many of the same owner's pods share the node; more means earlier.
    """

    def preference(pod: Object) -> tuple[Any, ...]:
        ready = is_ready(pod)
        created = pod["metadata"].get("creationTimestamp")
        return (
            1 if pod["spec"].get("nodeName") else 0,
            _PHASE_ORDER.get(phase(pod), 0),
            1 if ready else 0,
            _deletion_cost(pod),
            -rank(pod),
            _age_bucket(ready_since(pod), now) if ready else 0,
            -restarts(pod),
            _age_bucket(parse_rfc3339(created) if created else None, now),
            tie_break(pod),
        )

    return sorted(pods, key=preference)


def from_template(template: Object, owner: Object, reference: dict[str, Any]) -> Object:
    """A pod as its owner's template says, named after the owner and controlled by it."""
    meta = template.get("metadata") or {}
    made: dict[str, Any] = {"generateName": _prefix(owner["metadata"]["name"]), "ownerReferences": [reference]}
    for key in ("labels", "annotations", "finalizers"):
        if meta.get(key):
            made[key] = objects.copy(meta[key])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": objects.copy(template.get("spec") or {})}


def _prefix(name: str) -> str:
    """`name-`, unless that were no valid prefix for a pod's name."""
    return f"{name}-" if len(name) <= 247 else name
