"""A pod in the scheduling queue, with what its earlier attempts came to. Mirrors framework/types.go QueuedPodInfo."""

from __future__ import annotations

from controllers.scheduler.framework.events import ClusterEvent
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.status import Diagnosis


class QueuedPod:
    """Owned by the queue, or, between pop and done, by whoever schedules it."""

    __slots__ = (
        "attempts",
        "backoff_until",
        "consecutive_errors",
        "first_attempt",
        "gating_events",
        "gating_plugin",
        "info",
        "pending_plugins",
        "timestamp",
        "unschedulable_count",
        "unschedulable_plugins",
    )

    def __init__(self, info: PodInfo, now: float) -> None:
        self.info = info
        self.timestamp = now  # when it was added to the queue, at first or again
        self.attempts = 0
        self.first_attempt: float | None = None
        self.unschedulable_count = 0
        self.consecutive_errors = 0
        self.backoff_until: float | None = None  # worked out when asked for
        self.unschedulable_plugins: dict[str, None] = {}
        self.pending_plugins: dict[str, None] = {}
        self.gating_plugin = ""
        self.gating_events: tuple[ClusterEvent, ...] = ()

    @property
    def gated(self) -> bool:
        return bool(self.gating_plugin)

    @property
    def rejectors(self) -> dict[str, None]:
        """The plugins that turned it down: only their events matter."""
        return self.unschedulable_plugins | self.pending_plugins

    def blame(self, diagnosis: Diagnosis | None) -> None:
        """Remember who turned it down this time; nobody (an error): it comes back after its back-off."""
        self.unschedulable_plugins = dict(diagnosis.unschedulable_plugins) if diagnosis else {}
        self.pending_plugins = dict(diagnosis.pending_plugins) if diagnosis else {}
