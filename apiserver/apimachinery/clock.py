"""Time as the program sees it: one Clock, and an event loop whose time can be virtual.

Every wait goes through the running loop (`asyncio.sleep`, `asyncio.timeout`, `call_later`), every timestamp through a Clock.
Virtual time is a loop that jumps to the next timer as soon as nothing is ready: no thread, no socket may take part in it.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

VIRTUAL_EPOCH = 1_767_225_600.0  # 2026-01-01T00:00:00Z: where virtual worlds begin


class Clock(Protocol):
    """Seconds since the Unix epoch, as a float."""

    def now(self) -> float: ...


class SystemClock:
    """Wall-clock time."""

    def now(self) -> float:
        return time.time()


class LoopClock:
    """The running loop's time, shifted so that the loop's zero is `epoch`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, epoch: float = VIRTUAL_EPOCH) -> None:
        self._loop = loop
        self._offset = epoch - loop.time()

    def now(self) -> float:
        return self._loop.time() + self._offset


class _JumpingSelector(selectors.SelectSelector):
    """A selector that never waits: it tells its loop to move its time by the timeout instead."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            if self.loop.stuck_is_error:
                raise RuntimeError("virtual time stands still: nothing is scheduled and nobody can wake the loop")
            return super().select(0.05)
        self.loop.virtual_now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time: `loop.time()` starts at 0 and jumps to the next timer when nothing is ready."""

    stuck_is_error = True

    def __init__(self) -> None:
        self.virtual_now = 0.0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.virtual_now


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end in virtual time, as `asyncio.run` does in real time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def rfc3339(seconds: float) -> str:
    """`2026-01-02T03:04:05Z`: metav1.Time on the wire, in whole seconds."""
    return _rfc3339(int(seconds))


@lru_cache(maxsize=64)  # a write asks three times for the current second, at 5 µs each
def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")[:-6] + "Z"  # strftime: no year 0001


def rfc3339_micro(seconds: float) -> str:
    """`2026-01-02T03:04:05.000006Z`: metav1.MicroTime on the wire."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def parse_rfc3339(text: str) -> float:
    """Seconds since the epoch; raises ValueError. Accepts fractions and offsets, as Go's RFC3339 layout does."""
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    return parsed.timestamp()
