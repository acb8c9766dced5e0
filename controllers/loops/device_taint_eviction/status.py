"""What a DeviceTaintRule tells of its evictions, in upstream's words (maybeUpdateRuleStatus)."""

from __future__ import annotations

from typing import Any, NamedTuple

from apiserver.apimachinery.objects import Object
from controllers.loops.device_taint_eviction.evictions import NO_EXECUTE, NONE, effect

CONDITION = "EvictionInProgress"
SIMULATED = (
    "if the effect was NoExecute. This information will not be updated again. "
    "Recreate the DeviceTaintRule to trigger an update."
)


class Counts(NamedTuple):
    """`pending` pods that are to go (or would be), in so many `namespaces`; `evicted` since this process started."""

    pending: int = 0
    namespaces: int = 0
    published: int = 0
    allocated: int = 0
    evicted: int = 0


def _many(count: int, one: str, more: str) -> str:
    return f"1 {one}" if count == 1 else f"{count} {more}"


def condition(rule: Object, counts: Counts) -> dict[str, Any]:
    """The condition, without its time."""
    status, reason, message = "False", "", ""
    if effect(rule) == NO_EXECUTE:
        if counts.pending:
            status, reason = "True", "PodsPendingEviction"
            pods = _many(counts.pending, "pod needs", "pods need")
            message = f"{pods} to be evicted in {_many(counts.namespaces, 'namespace', 'different namespaces')}."
        else:
            reason = "Completed" if counts.evicted else "NotStarted"
    elif effect(rule) == NONE:
        reason = "NoEffect"
        message = (
            f"{_many(counts.published, 'published device', 'published devices')} selected. "
            f"{_many(counts.allocated, 'allocated device', 'allocated devices')} selected. "
            f"{_many(counts.pending, 'pod', 'pods')} would be evicted in "
            f"{_many(counts.namespaces, 'namespace', 'different namespaces')} {SIMULATED}"
        )
    else:
        reason, message = "OtherEffect", "Eviction only happens for the NoExecute effect."
    if counts.evicted:
        evicted = f"{_many(counts.evicted, 'pod', 'pods')} evicted since starting the controller."
        message = f"{message} {evicted}" if message else evicted
    made = {"type": CONDITION, "status": status, "reason": reason, "message": message}
    generation = rule["metadata"].get("generation")
    return made | ({"observedGeneration": generation} if generation else {})
