"""Expiry: which keys end when, and one timer that tells."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

from apiserver.apimachinery.clock import Clock

_EARLY = 0.001  # a timer may fire this much before the clock has got there


class Expiry:
    """Deadlines by key on the Clock; `expired(key, revision)` is called on the loop when one has passed.

    A deadline belongs to the revision that set it: whoever is called looks whether that one still stands.
    """

    def __init__(self, clock: Clock, expired: Callable[[str, int], None]) -> None:
        self._clock = clock
        self._expired = expired
        self._heap: list[tuple[float, str, int]] = []
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, key: str, revision: int, deadline: float) -> None:
        heapq.heappush(self._heap, (deadline, key, revision))
        if self._heap[0][0] == deadline:
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            delay = max(0.0, self._heap[0][0] - self._clock.now())
            self._timer = asyncio.get_running_loop().call_later(delay, self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = self._clock.now() + _EARLY
        while self._heap and self._heap[0][0] <= now:
            _, key, revision = heapq.heappop(self._heap)
            self._expired(key, revision)
        self._arm()

    def close(self) -> None:
        self._heap.clear()
        self._arm()
