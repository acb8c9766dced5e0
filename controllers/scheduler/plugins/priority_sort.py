"""Pods of higher priority first, then those that have waited longest."""

from __future__ import annotations

from controllers.scheduler.queue.queued import QueuedPod


class PrioritySort:
    name = "PrioritySort"

    def order(self, queued: QueuedPod) -> tuple[int, float]:
        return -queued.info.priority, queued.timestamp
