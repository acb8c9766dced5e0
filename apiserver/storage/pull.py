"""PullWatch: a watch that reads a log of events at its own pace, for the backends that keep their log themselves.

A watch is a position in the log, no queue: a slow reader costs nothing, and one that falls behind compaction is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol

from apiserver.storage.interface import PROGRESS, Compacted, Event, StorageError

BATCH = 500  # events handed out at once: about 1 ms of a consumer's time


class Page(NamedTuple):
    """Events in revision order, and the revision up to which that is everything."""

    events: list[Event]
    upto: int


class Log(Protocol):
    """What a PullWatch reads: the events of every key, in revision order."""

    @property
    def revision(self) -> int:
        """The newest revision that may be seen."""
        ...

    @property
    def compacted(self) -> int: ...

    @property
    def changed(self) -> Signal: ...

    def check_open(self) -> None:
        """Raise Unavailable when the store is closed or broken for good."""
        ...

    async def read(self, after: int, limit: int) -> Page:
        """Up to `limit` events behind `after`. Raises Compacted."""
        ...


class Signal:
    """Wakes all who wait; who comes later waits for the next time."""

    def __init__(self) -> None:
        self._waiters: list[asyncio.Future[None]] = []

    def __len__(self) -> int:
        return len(self._waiters)

    def notify(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def waiter(self) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(future)
        return future

    def forget(self, waiter: asyncio.Future[None]) -> None:
        if waiter in self._waiters:
            self._waiters.remove(waiter)


class PullWatch:
    """A Watch over a Log."""

    def __init__(self, log: Log, prefix: str, after: int) -> None:
        self._log = log
        self._prefix = prefix
        self._position = after or log.revision
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False

    def __aiter__(self) -> AsyncIterator[list[Event]]:
        return self

    async def __anext__(self) -> list[Event]:
        while not self._closed:
            try:
                batch = await self._next_batch()
            except StorageError:
                self._closed = True
                raise
            if batch:
                return batch
        raise StopAsyncIteration

    async def _next_batch(self) -> list[Event]:
        self._log.check_open()
        if self._position < self._log.compacted:
            raise Compacted(self._log.compacted)
        if self._position >= self._log.revision:
            await self._wait()
            return []
        events, upto = await self._log.read(self._position, BATCH)
        batch = [e for e in events if e.key.startswith(self._prefix)] if self._prefix else events
        if not batch or batch[-1].revision < upto:
            batch.append(Event(PROGRESS, "", upto, None, None, 0))
        self._position = upto
        return batch

    async def _wait(self) -> None:
        # No await between the look at the log's revision and this registration: a change in between would be missed.
        self._waiter = self._log.changed.waiter()
        try:
            await self._waiter
        finally:
            self._log.changed.forget(self._waiter)
            self._waiter = None

    async def aclose(self) -> None:
        self._closed = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
