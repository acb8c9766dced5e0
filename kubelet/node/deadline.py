"""activeDeadlineSeconds: how long a pod may be active on its node (upstream active_deadline.go)."""

from __future__ import annotations

from apiserver.apimachinery.clock import parse_rfc3339
from apiserver.apimachinery.objects import Object
from kubelet.node.api_status import Eviction

EXCEEDED = Eviction("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


def seconds_left(pod: Object, status: Object, now: float) -> float | None:
    """None for a pod without a deadline, or that has not begun."""
    allowed, started = pod["spec"].get("activeDeadlineSeconds"), status.get("startTime")
    if allowed is None or not started:
        return None
    return float(parse_rfc3339(started) + allowed - now)
