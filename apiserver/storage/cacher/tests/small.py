"""A cacher over memory storage whose records are made without any kind: the value is the record's tail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from apiserver.apimachinery.clock import LoopClock, run_virtual
from apiserver.storage.cacher import Cacher, Cachers, Change, Record, Snapshot
from apiserver.storage.interface import KeyValue, Storage
from apiserver.storage.memory import MemoryStorage

PREFIX = "/registry/things"


def make_record(item: KeyValue) -> Record:
    if item.value == b"bad":
        raise ValueError("unreadable")
    namespace, _, name = item.key.removeprefix(PREFIX + "/").rpartition("/")
    head = b'{"name":"%b","resourceVersion":"%d"' % (name.encode(), item.revision)
    return Record(item.key, item.revision, namespace, name, "", b"", head, b"", item.value, (), (), ())


class Ear:
    """Writes down what a cacher tells."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.resets: list[tuple[Snapshot, Snapshot | None]] = []

    def on_change(self, change: Change) -> None:
        self.changes.append(change)

    def on_reset(self, before: Snapshot, after: Snapshot | None) -> None:
        self.resets.append((before, after))


@dataclass
class Small:
    clock: LoopClock
    storage: Storage
    cachers: Cachers
    cacher: Cacher

    async def put(self, name: str, value: bytes = b"x") -> int:
        return await self.storage.put(f"{PREFIX}/{name}", value, expected=None)

    async def delete(self, name: str) -> int:
        return await self.storage.delete(f"{PREFIX}/{name}", expected=None)


@asynccontextmanager
async def opened(wrap: Callable[[MemoryStorage], Storage]) -> AsyncIterator[Small]:
    clock = LoopClock(asyncio.get_running_loop())
    memory = MemoryStorage(clock)
    storage = wrap(memory)
    cachers = Cachers(storage, clock)
    cacher = cachers.cacher(PREFIX, make_record)
    await cachers.start()
    try:
        yield Small(clock, storage, cachers, cacher)
    finally:
        await cachers.close()
        await memory.close()


def virtual(test: Callable[[Small], Awaitable[None]]) -> Callable[[], None]:
    """A test in virtual time, over a store of its own."""
    return over(lambda memory: memory)(test)


def over(
    wrap: Callable[[MemoryStorage], Storage],
) -> Callable[[Callable[[Small], Awaitable[None]]], Callable[[], None]]:
    """The same over a storage that `wrap` makes of the memory store."""

    def decorate(test: Callable[[Small], Awaitable[None]]) -> Callable[[], None]:
        async def main() -> None:
            async with opened(wrap) as small:
                await test(small)

        def run() -> None:
            run_virtual(main())

        run.__name__ = test.__name__
        return run

    return decorate
