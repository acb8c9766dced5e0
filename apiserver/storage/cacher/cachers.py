"""Cachers: one watch over the whole key space, feeding a Cacher for each prefix.

Every revision passes here, so `revision` tells what any of them has seen, without a progress request. When the watch is lost
(compacted, or storage gone) everything is read anew and client watches end: they resume, or are told to list again.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import Any

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.storage.cacher.cacher import PAGE, SLICE, Cacher, MakeRecord, read_all
from apiserver.storage.cacher.freshness import RevisionWaiters, SharedQuestion
from apiserver.storage.cacher.record import Record
from apiserver.storage.interface import Compacted, Event, Storage, StorageError

log = logging.getLogger(__name__)

RETRY = 1.0  # seconds between attempts to read everything anew, as upstream's cacher


class Cachers:
    """All Cachers of a storage and the watch that feeds them."""

    def __init__(self, storage: Storage, clock: Clock, *, root: str = "/registry/") -> None:
        self.storage = storage
        self.revision = 0
        self.waiters = RevisionWaiters()
        self._clock = clock
        self._root = root
        self._tasks = TaskOwner("cachers")
        self.question = SharedQuestion(storage.current_revision, self._tasks)
        self._cachers: dict[str, Cacher] = {}
        self._started = False

    def cacher(self, prefix: str, make_record: MakeRecord) -> Cacher:
        """The Cacher of a prefix, made when there is none yet. After `start` a new one fills itself in the background."""
        found = self._cachers.get(prefix)
        if found is not None:
            return found
        made = self._cachers[prefix] = Cacher(self, prefix, make_record, self._clock)
        if self._started:
            self._tasks.create_task(self._fill(made), name=f"cacher-{prefix}")
        return made

    def remove(self, prefix: str) -> None:
        """Serve this prefix no more: its watches end."""
        cacher = self._cachers.pop(prefix, None)
        if cacher is not None:
            cacher.close()

    async def start(self) -> None:
        """Read everything and begin to follow; returns when all cachers are ready. Raises what storage raises."""
        self._started = True
        await self._sync()
        self._tasks.create_task(self._follow(), name="cachers-watch")

    async def close(self) -> None:
        await self._tasks.close()
        for cacher in list(self._cachers.values()):
            cacher.close()
        self._cachers.clear()

    def stats(self) -> dict[str, Any]:
        return {prefix: cacher.stats() for prefix, cacher in self._cachers.items()}

    # Following.

    async def _follow(self) -> None:
        while True:
            try:
                await self._watch()
            except StorageError as e:
                log.warning("the watch of storage was lost, reading everything anew", extra={"reason": str(e)})
            for cacher in list(self._cachers.values()):
                cacher.lose()
            await self._resync()

    async def _watch(self) -> None:
        watch = self.storage.watch(self._root, after=self.revision)
        async with aclosing(watch):
            async for batch in watch:
                await self._take(batch)

    async def _take(self, batch: list[Event]) -> None:
        for number, event in enumerate(batch, 1):
            if event.key and (cacher := self._route(event.key)) is not None:
                cacher.apply(event)
            self.revision = event.revision
            if number % SLICE == 0:
                self.waiters.reached(self.revision)
                await asyncio.sleep(0)
        self.waiters.reached(self.revision)

    def _route(self, key: str) -> Cacher | None:
        """The Cacher that owns a key: prefixes are one or two names below the root."""
        end = key.find("/", len(self._root))
        cacher = self._cachers.get(key[:end])
        if cacher is None and end > 0:
            end = key.find("/", end + 1)
            cacher = self._cachers.get(key[:end])
        return cacher

    # Reading everything.

    async def _resync(self) -> None:
        while True:
            try:
                return await self._sync()
            except StorageError as e:
                log.warning("storage cannot be read, trying again", extra={"reason": str(e)})
                await asyncio.sleep(RETRY)

    async def _sync(self) -> None:
        """Read all keys at one revision and hand each Cacher its own."""
        wanted = dict(self._cachers)
        found, revision = await self._read_root()
        self.revision = max(self.revision, revision)
        for prefix, cacher in list(self._cachers.items()):
            if wanted.get(prefix) is cacher:
                cacher.load(found.get(prefix, []), revision)
            elif not cacher.ready:
                self._tasks.create_task(self._fill(cacher), name=f"cacher-{prefix}")
        self.waiters.reached(self.revision)

    async def _read_root(self) -> tuple[dict[str, list[Record]], int]:
        found: dict[str, list[Record]] = {}
        start, revision = "", 0
        while True:
            page = await self.storage.list(self._root, start=start, limit=PAGE, revision=revision)
            revision = page.revision
            for number, item in enumerate(page.items, 1):
                cacher = self._route(item.key)
                if cacher is not None and (record := cacher.read_record(item)) is not None:
                    found.setdefault(cacher.prefix, []).append(record)
                if number % SLICE == 0:
                    await asyncio.sleep(0)
            if not page.remaining or not page.items:
                return found, revision
            start = page.items[-1].key + "\0"

    async def _fill(self, cacher: Cacher) -> None:
        """Bring up one Cacher while the others run: events that come meanwhile wait in it."""
        while not cacher.ready and not cacher.closed:
            try:
                records, revision = await read_all(self.storage, cacher.prefix + "/", cacher.read_record)
            except Compacted:
                continue
            except StorageError as e:
                log.warning("storage cannot be read", extra={"prefix": cacher.prefix, "reason": str(e)})
                await asyncio.sleep(RETRY)
                continue
            # A resync that ran in between has filled it, from a later state.
            if not cacher.ready and not cacher.closed:
                cacher.load(records, revision)
