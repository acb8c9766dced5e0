"""EventLog: the newest events of the shared watch, in memory, for the watches of this process to read."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence

from apiserver.storage.interface import Event, StorageError
from apiserver.storage.pull import Page, Signal

MAX_EVENTS = 4000
MAX_BYTES = 8 << 20
CatchUp = Callable[[int, int, int], Awaitable[Page]]


def _revision(event: Event) -> int:
    return event.revision


class EventLog:
    """A run of events without a gap, up to `revision`. What is older is fetched by `catch_up(after, upto, limit)`.

    Unlike in the other backends, several events may share a revision (keys of one lease, transactions of others).
    """

    def __init__(self, revision: int, compacted: int, changed: Signal, catch_up: CatchUp) -> None:
        self._revision = revision
        self._base = revision  # every event behind it, up to `revision`, is here
        self._compacted = compacted
        self._changed = changed
        self._catch_up = catch_up
        self._events: list[Event] = []
        self._bytes = 0
        self._ended: StorageError | None = None

    def __len__(self) -> int:
        return len(self._events)

    @property
    def revision(self) -> int:
        return self._revision

    @property
    def compacted(self) -> int:
        return self._compacted

    @property
    def changed(self) -> Signal:
        return self._changed

    def check_open(self) -> None:
        if self._ended is not None:
            raise self._ended

    def end(self, error: StorageError) -> None:
        """There will be a gap, or nothing more: whoever reads here is told."""
        self._ended = error
        self._changed.notify()

    def compact(self, revision: int) -> None:
        if revision > self._compacted:
            self._compacted = revision
            self._changed.notify()

    def extend(self, events: Sequence[Event], revision: int) -> None:
        """Take in all events up to `revision`."""
        if revision <= self._revision:
            return
        self._events += events
        self._bytes += sum(map(_size, events))
        self._revision = revision
        if len(self._events) > MAX_EVENTS or self._bytes > MAX_BYTES:
            self._trim()
        self._changed.notify()

    def _trim(self) -> None:
        """Drop the older half, at the end of a revision."""
        self._base = self._events[len(self._events) // 2].revision
        index = bisect_right(self._events, self._base, key=_revision)
        self._bytes -= sum(map(_size, self._events[:index]))
        del self._events[:index]

    async def read(self, after: int, limit: int) -> Page:
        if after < self._base:
            return await self._catch_up(after, self._base, limit)
        begin = bisect_right(self._events, after, key=_revision)
        if begin + limit >= len(self._events):
            return Page(self._events[begin:], self._revision)
        upto = self._events[begin + limit - 1].revision
        return Page(self._events[begin : bisect_right(self._events, upto, key=_revision)], upto)


def _size(event: Event) -> int:
    return len(event.value or b"") + len(event.previous or b"")
