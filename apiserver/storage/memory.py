"""MemoryStorage: the reference model of a Storage, small enough to be read as its definition.

It keeps everything in dicts, has no threads and no I/O, and so works in virtual time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import Any, NamedTuple

from apiserver.apimachinery.clock import Clock
from apiserver.storage.expiry import Expiry
from apiserver.storage.interface import (
    DELETE,
    PUT,
    Compacted,
    Conflict,
    Event,
    FutureRevision,
    GetResult,
    KeyExists,
    KeyNotFound,
    KeyValue,
    ListResult,
    Unavailable,
    Watch,
)
from apiserver.storage.keys import prefix_end
from apiserver.storage.pull import Page, PullWatch, Signal

FIRST_REVISION = 1  # of an empty store, as etcd: the first write is 2


class _Version(NamedTuple):
    revision: int
    value: bytes | None  # None: deleted


class MemoryStorage:
    """A Storage in memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._revision = FIRST_REVISION
        self._compacted = 0
        self._keys: list[str] = []  # sorted: every key with a version
        self._versions: dict[str, list[_Version]] = {}  # in the order of revisions, never empty
        self._log: list[Event] = []  # one event per revision, the last one is that of `_revision`
        self._deadlines: dict[str, int] = {}  # key → the revision whose ttl runs
        self._expiry = Expiry(clock, self._expire)
        self._changed = Signal()
        self._closed = False

    async def get(self, key: str) -> GetResult:
        self.check_open()
        return GetResult(self._at(key, self._revision), self._revision)

    async def list(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> ListResult:
        self.check_open()
        at = self._check_readable(revision)
        end = prefix_end(prefix)
        low = bisect_left(self._keys, max(prefix, start))
        high = len(self._keys) if end is None else bisect_left(self._keys, end)
        items = [item for key in self._keys[low:high] if (item := self._at(key, at)) is not None]
        kept = items[:limit] if limit else items
        return ListResult(kept, at, len(items) - len(kept))

    async def put(self, key: str, value: bytes, *, expected: int | None, ttl: float | None = None) -> int:
        self.check_open()
        current = self._at(key, self._revision)
        if expected == 0 and current is not None:
            raise KeyExists(key)
        if expected:
            self._check_expected(key, expected, current)
        revision = self._write(key, value)
        self._deadlines.pop(key, None)
        if ttl is not None:
            self._deadlines[key] = revision
            self._expiry.add(key, revision, self._clock.now() + ttl)
        return revision

    async def delete(self, key: str, *, expected: int | None) -> int:
        self.check_open()
        current = self._at(key, self._revision)
        if current is None:
            raise KeyNotFound(key)
        if expected is not None:
            self._check_expected(key, expected, current)
        return self._delete(key)

    def watch(self, prefix: str, *, after: int) -> Watch:
        return PullWatch(self, prefix, after)

    async def current_revision(self) -> int:
        self.check_open()
        return self._revision

    async def compacted_revision(self) -> int:
        self.check_open()
        return self._compacted

    async def compact(self, revision: int) -> None:
        self.check_open()
        if revision > self._revision:
            raise FutureRevision(revision, self._revision)
        if revision <= self._compacted:
            return
        touched = sorted({event.key for event in self._log if event.revision <= revision})
        del self._log[: len(self._log) - (self._revision - revision)]
        self._compacted = revision
        for key in touched:
            self._forget(key, revision)
        self._changed.notify()

    async def ready(self) -> None:
        self.check_open()

    def stats(self) -> dict[str, Any]:
        current = [item for key in self._keys if (item := self._at(key, self._revision)) is not None]
        return {
            "revision": self._revision,
            "compacted_revision": self._compacted,
            "keys": len(current),
            "bytes": sum(len(item.value) for item in current),
            "events": len(self._log),
            "expiring": len(self._deadlines),
            "waiting_watches": len(self._changed),
        }

    async def close(self) -> None:
        self._closed = True
        self._expiry.close()
        self._changed.notify()

    # What a PullWatch reads.

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
        if self._closed:
            raise Unavailable("the memory store is closed")

    async def read(self, after: int, limit: int) -> Page:
        begin = len(self._log) - (self._revision - after)
        events = self._log[begin : begin + limit]
        return Page(events, events[-1].revision)

    # Versions.

    def _at(self, key: str, revision: int) -> KeyValue | None:
        versions = self._versions.get(key, ())
        index = bisect_right(versions, revision, key=lambda v: v.revision) - 1
        if index < 0 or (value := versions[index].value) is None:
            return None
        return KeyValue(key, value, versions[index].revision)

    def _check_readable(self, revision: int) -> int:
        """The revision to read at."""
        if revision > self._revision:
            raise FutureRevision(revision, self._revision)
        if 0 < revision < self._compacted:
            raise Compacted(self._compacted)
        return revision or self._revision

    def _check_expected(self, key: str, expected: int, current: KeyValue | None) -> None:
        if current is None:
            raise KeyNotFound(key)
        if current.revision != expected:
            raise Conflict(key, expected, current)

    def _write(self, key: str, value: bytes | None) -> int:
        previous = self._at(key, self._revision)
        self._revision += 1
        if key not in self._versions:
            insort(self._keys, key)
            self._versions[key] = []
        self._versions[key].append(_Version(self._revision, value))
        old, old_revision = (previous.value, previous.revision) if previous else (None, 0)
        self._log.append(Event(DELETE if value is None else PUT, key, self._revision, value, old, old_revision))
        self._changed.notify()
        return self._revision

    def _delete(self, key: str) -> int:
        self._deadlines.pop(key, None)
        return self._write(key, None)

    def _expire(self, key: str, revision: int) -> None:
        if self._deadlines.get(key) == revision:
            self._delete(key)

    def _forget(self, key: str, revision: int) -> None:
        """Drop the versions that no read at `revision` or later can meet."""
        versions = self._versions[key]
        newest = bisect_right(versions, revision, key=lambda v: v.revision) - 1
        del versions[: newest if versions[newest].value is not None else newest + 1]
        if not versions:
            del self._versions[key]
            del self._keys[bisect_left(self._keys, key)]
