"""Cacher: one storage prefix held in memory, as records. It answers gets, lists and watches; it knows nothing of kinds.

What it shows is always a state that storage had, at `revision`. Listeners hear every change once, in order, in the step in
which it becomes visible: who reads and subscribes without an await in between misses nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from apiserver.apimachinery.clock import Clock
from apiserver.storage.cacher.freshness import RevisionWaiters, SharedQuestion
from apiserver.storage.cacher.history import History
from apiserver.storage.cacher.record import Change, Record
from apiserver.storage.cacher.snapshot import Index, Snapshot
from apiserver.storage.interface import (
    PUT,
    Compacted,
    Event,
    FutureRevision,
    KeyValue,
    Storage,
    Unavailable,
)

log = logging.getLogger(__name__)

FRESH_TIMEOUT = 3.0  # seconds a read waits for a revision, as upstream storage/cacher/watch_cache.go blockTimeout
KEPT_SNAPSHOTS = 16  # older states kept for clients that page through them
PAGE = 500  # keys asked of storage at once
SLICE = 64  # values decoded before others get the loop: a millisecond or two
UNDONE = 1000  # changes taken back before others get the loop

MakeRecord = Callable[[KeyValue], Record]


class Listener(Protocol):
    """Hears what a Cacher sees. Must not block and must not raise."""

    def on_change(self, change: Change) -> None: ...

    def on_reset(self, before: Snapshot, after: Snapshot | None) -> None:
        """The cacher lost its storage: what happened between the two is unknown. `after` is None while it is gone,
        and when the cacher is closed; it comes with a second call when there is a new state."""
        ...


class Feed(Protocol):
    """What a Cacher needs of the one watch that feeds all of them."""

    storage: Storage
    revision: int
    waiters: RevisionWaiters
    question: SharedQuestion


class Cacher:
    """One prefix in memory. Made by `Cachers.cacher`."""

    def __init__(self, feed: Feed, prefix: str, make_record: MakeRecord, clock: Clock) -> None:
        self.prefix = prefix
        self.ready = False
        self.closed = False
        self.generation = 0  # grows with every load: what was read before another one may have gaps
        self._feed = feed
        self.clock = clock
        self.make_record = make_record
        self._records: dict[str, Record] = {}
        self._index = Index()
        self._loaded_at = 0
        self._history = History(0)
        self._early: list[Event] = []  # events that came while it was loading
        self._listeners: dict[int, Listener] = {}
        self._next_listener = 0
        self._kept: OrderedDict[int, Snapshot] = OrderedDict()
        self._loads = RevisionWaiters()

    # Reading.

    @property
    def revision(self) -> int:
        """The revision up to which everything has been seen."""
        seen = self._feed.revision
        return seen if seen > self._loaded_at else self._loaded_at

    @property
    def floor(self) -> int:
        """The oldest revision after which every change is known."""
        return self._history.floor

    def __len__(self) -> int:
        return len(self._records)

    def get(self, key: str) -> Record | None:
        return self._records.get(key)

    def snapshot(self) -> Snapshot:
        """The state now: immutable, costs next to nothing."""
        return self._index.snapshot(self.revision)

    def changes_since(self, revision: int) -> list[Change]:
        """Every change after `revision`; Compacted when that is older than the window."""
        if revision < self._history.floor:
            raise Compacted(self._history.floor)
        return self._history.since(revision)

    async def wait_ready(self) -> None:
        """Return when the first state is there; Unavailable when that takes too long."""
        if self.ready:
            return
        if self.closed or not await self._loads.wait(self.generation + 1, FRESH_TIMEOUT) or not self.ready:
            raise Unavailable("storage is (re)initializing")

    async def wait_until(self, revision: int) -> None:
        """Return when `revision` has been seen; FutureRevision after three seconds."""
        if not self.ready:
            await self.wait_ready()
        if revision > self.revision and not await self._feed.waiters.wait(revision, FRESH_TIMEOUT):
            raise FutureRevision(revision, self.revision)

    async def current_revision(self) -> int:
        """What storage says is its revision now."""
        return await self._feed.question.answer()

    async def wait_current(self) -> int:
        """Return when all that storage had acknowledged at the call is seen here; the revision that is."""
        revision = await self._feed.question.answer()
        if revision > self.revision or not self.ready:
            await self.wait_until(revision)
        return revision

    async def snapshot_at(self, revision: int) -> Snapshot:
        """The state exactly at `revision`: from memory where history reaches, else from storage.

        Raises Compacted or FutureRevision.
        """
        await self.wait_until(revision)
        compacted = await self._feed.storage.compacted_revision()
        if revision < compacted:
            raise Compacted(compacted)
        if revision == self.revision:
            return self.snapshot()
        kept = self._kept.get(revision)
        if kept is not None:
            self._kept.move_to_end(revision)
            return kept
        snapshot = await (self._undo(revision) if revision >= self.floor else self._read(revision))
        self.keep(snapshot)
        return snapshot

    def keep(self, snapshot: Snapshot) -> None:
        """Remember a state that a client will come back for (the next page)."""
        self._kept[snapshot.revision] = snapshot
        self._kept.move_to_end(snapshot.revision)
        while len(self._kept) > KEPT_SNAPSHOTS:
            self._kept.popitem(last=False)

    async def _undo(self, revision: int) -> Snapshot:
        """The state at `revision`, by taking back the changes after it."""
        # No await between these two: they must be of one moment.
        index = Index()
        index.load(list(self.snapshot()))
        changes = list(self._history.newest_first(revision))
        for number, change in enumerate(changes, 1):
            if change.previous is not None:
                index.put(change.previous)
            else:
                index.remove(change.subject.key)
            if number % UNDONE == 0:
                await asyncio.sleep(0)
        return index.snapshot(revision)

    async def _read(self, revision: int) -> Snapshot:
        records, _ = await read_all(self._feed.storage, self.prefix + "/", self.read_record, revision)
        index = Index()
        index.load(records)
        return index.snapshot(revision)

    async def replay(self, after: int, limit: int) -> tuple[list[Change], int]:
        """The changes after `after` that are older than the window, as storage still has them, and up to where that goes.

        Raises Compacted when storage has forgotten them, or when it would be more than `limit` events of any kind.
        """
        floor = self._history.floor
        if floor - after > limit:
            raise Compacted(floor)
        older: list[Change] = []
        watch = self._feed.storage.watch(self.prefix + "/", after=after)
        try:
            async for batch in watch:
                for number, event in enumerate(batch, 1):
                    if event.key and event.revision <= floor and (change := self._old_change(event)) is not None:
                        older.append(change)
                    if number % SLICE == 0:
                        await asyncio.sleep(0)
                if batch[-1].revision >= floor:
                    break
        finally:
            await watch.aclose()
        return older, floor

    def _old_change(self, event: Event) -> Change | None:
        previous = record = None
        if event.previous is not None:
            previous = self.read_record(KeyValue(event.key, event.previous, event.previous_revision))
        if event.value is not None:
            record = self.read_record(KeyValue(event.key, event.value, event.revision))
        if record is None and previous is None:
            return None
        return Change(event.revision, record, previous, self.clock.now())

    # Listening.

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Tell `listener` of every change from now on; the returned function ends that."""
        number = self._next_listener
        self._next_listener += 1
        self._listeners[number] = listener

        def unsubscribe() -> None:
            self._listeners.pop(number, None)

        return unsubscribe

    # Feeding: called by Cachers only.

    def read_record(self, item: KeyValue) -> Record | None:
        """The item's record; None, and a line in the log, when its bytes make no sense."""
        try:
            return self.make_record(item)
        except Exception as e:
            log.error("stored object is unreadable", extra={"key": item.key, "revision": item.revision}, exc_info=e)
            return None

    def apply(self, event: Event) -> None:
        """Take in one event of this prefix."""
        if not self.ready:
            self._early.append(event)
            return
        if event.revision <= self._loaded_at:
            return
        previous = self._records.get(event.key)
        record = None
        if event.type == PUT and event.value is not None:
            record = self.read_record(KeyValue(event.key, event.value, event.revision, event.stale))
        if record is not None:
            self._records[event.key] = record
            self._index.put(record)
        elif previous is not None:
            del self._records[event.key]
            self._index.remove(event.key)
        else:
            return
        self._tell(Change(event.revision, record, previous, self.clock.now()))

    def _tell(self, change: Change) -> None:
        self._history.append(change)
        for listener in list(self._listeners.values()):
            listener.on_change(change)

    def load(self, records: Sequence[Record], revision: int) -> None:
        """Become what storage had at `revision`, then catch up with the events that came meanwhile."""
        before = self._index.snapshot(self._loaded_at)
        self._records = {record.key: record for record in records}
        self._index = Index()
        self._index.load(records)
        self._loaded_at = revision
        self._history = History(revision)
        self._kept.clear()
        self.ready = True
        self.generation += 1
        for listener in list(self._listeners.values()):
            listener.on_reset(before, self._index.snapshot(revision))
        early, self._early = self._early, []
        for event in early:
            self.apply(event)
        self._loads.reached(self.generation)

    def lose(self) -> None:
        """Storage was lost: what is here may have gaps from now on. Watches end."""
        if not self.ready:
            self._early.clear()
            return
        self.ready = False
        before = self._index.snapshot(self.revision)
        for listener in list(self._listeners.values()):
            listener.on_reset(before, None)

    def close(self) -> None:
        """The prefix is served no more."""
        self.closed = True
        self.lose()
        self._loads.reached(self.generation + 1)

    def stats(self) -> dict[str, Any]:
        return {
            "objects": len(self._records),
            "history": len(self._history),
            "listeners": len(self._listeners),
            "snapshots": len(self._kept),
        }


async def read_all(
    storage: Storage, prefix: str, make_record: Callable[[KeyValue], Record | None], revision: int = 0
) -> tuple[list[Record], int]:
    """Every record of a prefix at one revision (0: now), read in pages, and that revision."""
    records: list[Record] = []
    start = ""
    while True:
        page = await storage.list(prefix, start=start, limit=PAGE, revision=revision)
        revision = page.revision
        for number, item in enumerate(page.items, 1):
            if (record := make_record(item)) is not None:
                records.append(record)
            if number % SLICE == 0:
                await asyncio.sleep(0)
        if not page.remaining or not page.items:
            return records, revision
        start = page.items[-1].key + "\0"
