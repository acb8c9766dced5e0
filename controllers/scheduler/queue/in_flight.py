"""Pods being scheduled, and what happened in the cluster meanwhile: one log, cut where nobody needs it any more."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from controllers.scheduler.framework.events import ClusterEvent

Happened = tuple[ClusterEvent, Any, Any]  # the event, the old object, the new one


class InFlight:
    """Each pod sees the events from when it was popped on."""

    def __init__(self) -> None:
        self._pods: dict[str, int] = {}  # uid → how many events there had been, ever; in the order they were popped
        self._events: deque[Happened] = deque()
        self._dropped = 0

    def add(self, uid: str) -> bool:
        """False when the pod is in flight already."""
        if uid in self._pods:
            return False
        self._pods[uid] = self._dropped + len(self._events)
        return True

    def remove(self, uid: str) -> None:
        """Forget the pod, and the events that only it was to see."""
        if self._pods.pop(uid, None) is None:
            return
        oldest = next(iter(self._pods.values()), self._dropped + len(self._events))
        while self._dropped < oldest:
            self._events.popleft()
            self._dropped += 1

    def cluster_event(self, event: ClusterEvent, old: Any, new: Any) -> None:
        if self._pods:
            self._events.append((event, old, new))

    def pod_updated(self, uid: str, events: Iterable[ClusterEvent], old: Any, new: Any) -> bool:
        """The pod itself changed; True when it is in flight."""
        if uid not in self._pods:
            return False
        self._events.extend((event, old, new) for event in events)
        return True

    def events(self, uid: str) -> list[Happened]:
        """What happened since the pod was popped."""
        since = self._pods.get(uid)
        if since is None:
            return []
        return list(self._events)[since - self._dropped :]

    def __len__(self) -> int:
        return len(self._pods)
