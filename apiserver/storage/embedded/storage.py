"""EmbeddedStorage: MVCC over one SQLite file, for a server without etcd.

Values live in the file; keys and their newest revisions, and the last few rows, in memory. Three threads: one commits,
one reads ranges and history, one checkpoints. Readers and watches see only what is durable.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.storage.embedded.checkpoints import Checkpoints
from apiserver.storage.embedded.database import wal_bytes
from apiserver.storage.embedded.errors import RECOVERABLE, CorruptStore, again
from apiserver.storage.embedded.opening import Opened, open_directory
from apiserver.storage.embedded.recent import Recent
from apiserver.storage.embedded.rows import Row
from apiserver.storage.embedded.snapshot import new_file, restore
from apiserver.storage.embedded.worker import Worker
from apiserver.storage.embedded.writes import Writes
from apiserver.storage.expiry import Expiry
from apiserver.storage.interface import (
    DELETE,
    PUT,
    Conflict,
    Event,
    FutureRevision,
    GetResult,
    KeyExists,
    KeyNotFound,
    KeyValue,
    ListResult,
    StorageError,
    Unavailable,
    Watch,
)
from apiserver.storage.pull import Page, PullWatch, Signal

log = logging.getLogger(__name__)

RETRY = 1.0  # seconds until an expiry or a cleaning is tried again, after a commit failed
ROWS_ON_LOOP = 100  # of the recent ones, handed to a watch at once: they may cost a look-up each


class EmbeddedStorage:
    """A Storage in a directory. Make it with `open`."""

    def __init__(self, opened: Opened, commits: Worker, clock: Clock) -> None:
        loaded = opened.loaded
        self._opened = opened
        self._clock = clock
        self._worker = commits
        self._reading = Worker("storage-reader")
        self._compacted = loaded.compacted
        self._recent = Recent()
        self._changed = Signal()
        self._expiry = Expiry(clock, self._expire)
        self._closed = False
        self._failed: Unavailable | None = None  # the last commit, where the next may succeed
        self._broken: Unavailable | None = None  # for good
        self._writes = Writes(
            commits, opened.writer, loaded.revision, loaded.keys, self._committed, self._commit_failed
        )  # fmt: skip
        self._checkpoints = Checkpoints(opened.path, opened.writer, commits)
        self._to_clean = asyncio.Event()
        self._to_clean.set()  # the last owner may not have come to the end of it
        self._cleaned = asyncio.Event()
        self._tasks = TaskOwner("embedded storage")
        self._tasks.create_task(self._clean(), name="clean")
        if not opened.verified:
            self._tasks.create_task(self._verify(), name="verify")
        for deadline, key, revision in loaded.deadlines:
            self._expiry.add(key, revision, deadline)

    @classmethod
    async def open(cls, directory: Path | str, clock: Clock, *, quota_bytes: int = 0) -> EmbeddedStorage:
        """Open or make the store in `directory`; raises DirectoryInUse, CorruptStore, DiskFull or Unavailable."""
        commits = Worker("storage-writer")
        try:
            opened = await commits.run(partial(open_directory, Path(directory), quota_bytes))
        except BaseException:
            await commits.stop()
            raise
        return cls(opened, commits, clock)

    @classmethod
    async def restore(cls, snapshot: Path | str, directory: Path | str, clock: Clock) -> int:
        """Put a snapshot in the place of what `directory` holds; the revision it begins with. Nobody may have it open."""
        return await asyncio.to_thread(restore, Path(snapshot), Path(directory), clock.now())

    # Reading.

    async def get(self, key: str) -> GetResult:
        self.check_open()
        return GetResult(self._current(key), self._writes.revision)

    async def list(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> ListResult:
        self.check_open()
        if revision > self._writes.revision:
            raise FutureRevision(revision, self._writes.revision)
        newest = self._writes.revision
        reader = self._opened.reader
        return await self._reading.run(partial(reader.list_range, prefix, start, limit, revision, newest))

    def watch(self, prefix: str, *, after: int) -> Watch:
        return PullWatch(self, prefix, after)

    async def current_revision(self) -> int:
        self.check_open()
        return self._writes.revision

    async def compacted_revision(self) -> int:
        self.check_open()
        return self._compacted

    def _current(self, key: str) -> KeyValue | None:
        revision = self._writes.committed.get(key)
        return None if revision is None else self._row(revision).item()

    def _row(self, revision: int) -> Row:
        return self._recent.row(revision) or self._opened.lookup.row(revision)

    # Writing.

    async def put(self, key: str, value: bytes, *, expected: int | None, ttl: float | None = None) -> int:
        if not key.isascii():
            key.encode()  # here rather than in the middle of a commit
        latest = await self._judged(key, expected, absent=True)
        if expected is not None and latest != expected:
            raise self._mismatch(key, expected)
        return await self._writes.add(key, value, None if ttl is None else self._clock.now() + ttl)

    async def delete(self, key: str, *, expected: int | None) -> int:
        latest = await self._judged(key, expected, absent=False)
        if latest == 0 or (expected is not None and latest != expected):
            raise self._mismatch(key, expected)
        return await self._writes.add(key, None)

    async def _judged(self, key: str, expected: int | None, absent: bool) -> int:
        """The key's revision, queued writes included; if it does not fit, one that is durable. No await follows a fit."""
        while True:
            self.check_open()
            latest = self._writes.latest(key)
            fits = latest == expected if expected is not None else latest != 0 or absent
            if fits or not self._writes.is_pending(key):
                return latest
            await self._writes.settled()

    def _mismatch(self, key: str, expected: int | None) -> StorageError:
        current = self._current(key)
        if current is None or expected is None:
            return KeyNotFound(key)
        return KeyExists(key) if expected == 0 else Conflict(key, expected, current)

    # Expiry and compaction.

    def _expire(self, key: str, revision: int) -> None:
        if self._closed or self._broken or self._writes.latest(key) != revision:
            return

        def retry(outcome: asyncio.Future[int]) -> None:
            if outcome.exception() is not None:
                self._expiry.add(key, revision, self._clock.now() + RETRY)

        self._writes.add(key, None).add_done_callback(retry)

    async def compact(self, revision: int) -> None:
        self.check_open()
        if revision > self._writes.revision:
            raise FutureRevision(revision, self._writes.revision)
        if revision <= self._compacted:
            return
        await self._worker.run(partial(self._opened.writer.mark_compacted, revision))
        self._compacted = max(self._compacted, revision)
        self._changed.notify()
        self._cleaned.clear()
        self._to_clean.set()

    async def cleaned(self) -> None:
        """Wait until what compaction made unreachable is gone from the file."""
        await self._cleaned.wait()

    async def _clean(self) -> None:
        """Remove what compaction made unreachable, slice by slice, at most half of the time."""
        while True:
            await self._to_clean.wait()
            self._to_clean.clear()
            began = time.monotonic()
            try:
                if not await self._worker.run(self._opened.writer.clean_slice):
                    if not self._to_clean.is_set():
                        self._cleaned.set()
                    continue
                delay = time.monotonic() - began
            except Unavailable as e:
                log.warning("cleaning failed", extra={"error": str(e)})
                delay = RETRY
            self._to_clean.set()
            await asyncio.sleep(delay)

    async def _verify(self) -> None:
        """Read a large file once in the background: better to stop than to serve what was not written."""
        try:
            await self._checkpoints.verify()
        except CorruptStore as e:
            self._break(e)

    async def snapshot(self, target: Path | str) -> None:
        """Copy the store as it is now into one file, beside running reads and writes."""
        self.check_open()
        with new_file(Path(target)) as new:
            await self._checkpoints.copy_to(new)

    async def rows(self) -> int:
        """How many revisions the file holds, those that compaction has yet to remove included."""
        return await self._reading.run(self._opened.reader.count)

    # Outcomes of commits.

    def _committed(self, rows: Sequence[Row]) -> None:
        self._failed = None
        self._recent.extend(rows)
        for row in rows:
            if row.expires is not None:
                self._expiry.add(row.key, row.revision, row.expires)
        self._changed.notify()
        self._checkpoints.after_commit(rows)

    def _commit_failed(self, error: BaseException) -> None:
        if isinstance(error, RECOVERABLE):
            if self._failed is None:
                log.error("writes fail", extra={"error": str(error)})
            self._failed = error
        elif isinstance(error, Unavailable):
            self._break(error)

    def _break(self, error: Unavailable) -> None:
        log.error("the store is lost", extra={"error": str(error)})
        self._broken = error
        self._changed.notify()

    # Health.

    async def ready(self) -> None:
        self.check_open()
        if self._failed is not None:
            raise again(self._failed)

    def stats(self) -> dict[str, Any]:
        return {
            "revision": self._writes.revision,
            "compacted_revision": self._compacted,
            "keys": len(self._writes.committed),
            "bytes": self._opened.path.stat().st_size,
            "log_bytes": wal_bytes(self._opened.path),
            "queued_writes": self._writes.queued,
            "writes": self._writes.writes,
            "commits": self._writes.commits,
            "checkpoints": self._checkpoints.count,
            "expiring": len(self._expiry),
            "waiting_watches": len(self._changed),
        }

    async def close(self) -> None:
        """Finish the writes that are queued, refuse others, end the watches, tidy the file."""
        if self._closed:
            return
        self._closed = True
        self._expiry.close()
        await self._writes.drained()
        self._changed.notify()
        await self._tasks.close()
        await self._checkpoints.close()
        await self._reading.stop()
        self._opened.lookup.close()
        self._opened.reader.close()
        await self._worker.run(self._opened.writer.close)  # the last one: it empties the log
        await self._worker.stop()
        self._opened.lock.release()

    # What a PullWatch reads.

    @property
    def revision(self) -> int:
        return self._writes.revision

    @property
    def compacted(self) -> int:
        return self._compacted

    @property
    def changed(self) -> Signal:
        return self._changed

    def check_open(self) -> None:
        if self._broken is not None:
            raise again(self._broken)
        if self._closed:
            raise Unavailable(f"{self._opened.path} is closed")

    async def read(self, after: int, limit: int) -> Page:
        rows = self._recent.after(after, min(limit, ROWS_ON_LOOP))
        if rows is not None:
            return Page(
                [_event(row, self._row(row.previous) if row.previous else None) for row in rows], rows[-1].revision
            )
        upto = self._writes.revision
        history = await self._reading.run(partial(self._opened.reader.history, after, upto, limit))
        return Page([_event(row, history.replaced.get(row.previous)) for row in history.rows], history.upto)


def _event(row: Row, replaced: Row | None) -> Event:
    previous, kind = replaced.value if replaced else None, DELETE if row.deleted else PUT
    return Event(kind, row.key, row.revision, row.value, previous, row.previous)
