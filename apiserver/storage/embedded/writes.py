"""Group commit: writes queue while a commit runs, and go together into the next.

A condition is judged at once, against what is committed plus what is queued. Where it fails against something queued,
the judge waits: that write may yet fail, and what is not durable must not be seen. A failed commit fails everything
that was queued on top of it. All of this lives on the loop; only the commit itself runs in the writer's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from apiserver.storage.embedded.errors import again
from apiserver.storage.embedded.rows import Row
from apiserver.storage.embedded.worker import Worker
from apiserver.storage.embedded.writer import ROWS_PER_COMMIT, Writer
from apiserver.storage.pull import Signal


class _Write(NamedTuple):
    row: Row
    future: asyncio.Future[int]


class Writes:
    """The queue of writes, and the revision of every key as committed and as it will be."""

    def __init__(
        self,
        worker: Worker,
        writer: Writer,
        revision: int,
        keys: dict[str, int],
        on_commit: Callable[[Sequence[Row]], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._worker = worker
        self._writer = writer
        self._on_commit = on_commit
        self._on_failure = on_failure
        self.committed = keys  # key → revision, of keys that have a value
        self.revision = revision  # the newest committed
        self._next = revision + 1
        self._pending: dict[str, Row] = {}  # key → its newest row that is not committed
        self._queue: list[_Write] = []
        self._flushing = False  # a commit runs or is about to
        self._settled = Signal()
        self.commits = 0
        self.writes = 0

    @property
    def queued(self) -> int:
        return self._next - 1 - self.revision

    def latest(self, key: str) -> int:
        """The key's revision as it will be when all that is queued succeeds; 0 when it has no value."""
        row = self._pending.get(key)
        if row is None:
            return self.committed.get(key, 0)
        return 0 if row.deleted else row.revision

    def is_pending(self, key: str) -> bool:
        return key in self._pending

    async def settled(self) -> None:
        """Wait for the outcome of a commit."""
        waiter = self._settled.waiter()
        try:
            await waiter
        finally:
            self._settled.forget(waiter)

    async def drained(self) -> None:
        while self._flushing:
            await self.settled()

    def add(self, key: str, value: bytes | None, expires: float | None = None) -> asyncio.Future[int]:
        """Queue a write; the future is its revision, once durable."""
        row = Row(self._next, key, self.latest(key), value is None, expires, value)
        self._next += 1
        self._pending[key] = row
        future: asyncio.Future[int] = self._loop.create_future()
        self._queue.append(_Write(row, future))
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)  # soon, not now: tasks that are ready join
        return future

    def _flush(self) -> None:
        batch, self._queue = self._queue[:ROWS_PER_COMMIT], self._queue[ROWS_PER_COMMIT:]
        rows = [write.row for write in batch]
        self._worker.submit(partial(self._writer.commit, rows), partial(self._done, batch))

    def _done(self, batch: list[_Write], _: Any, error: BaseException | None) -> None:
        if error is None:
            self._succeed(batch)
        else:
            self._fail(batch + self._queue, error)
        self._flushing = bool(self._queue)
        if self._flushing:
            self._flush()
        self._settled.notify()

    def _succeed(self, batch: list[_Write]) -> None:
        rows = [write.row for write in batch]
        for row in rows:
            if row.deleted:
                self.committed.pop(row.key, None)
            else:
                self.committed[row.key] = row.revision
            if self._pending[row.key] is row:
                del self._pending[row.key]
        self.revision = rows[-1].revision
        self.commits += 1
        self.writes += len(rows)
        self._on_commit(rows)
        for row, future in batch:
            if not future.done():  # its task may have been cancelled
                future.set_result(row.revision)

    def _fail(self, batch: list[_Write], error: BaseException) -> None:
        self._queue = []
        self._pending.clear()
        self._next = self.revision + 1
        self._on_failure(error)
        for _, future in batch:
            if not future.done():
                future.set_exception(again(error))
