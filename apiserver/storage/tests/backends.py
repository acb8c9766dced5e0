"""The backends under test, each opened the same way, and small helpers for reading watches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from apiserver.apimachinery.clock import SystemClock
from apiserver.storage.embedded import EmbeddedStorage
from apiserver.storage.etcd import EtcdStorage
from apiserver.storage.interface import PROGRESS, Event, Storage, Watch
from apiserver.storage.memory import MemoryStorage

PATIENCE = 20.0  # seconds, for what must happen


@dataclass
class Backend:
    """A backend's name, how to open it (again, over the same data), and the shortest ttl it can keep."""

    name: str
    open: Callable[[], Awaitable[Storage]]
    shortest_ttl: float = 0.2


@asynccontextmanager
async def opened(backend: Backend) -> AsyncIterator[Storage]:
    storage = await backend.open()
    try:
        yield storage
    finally:
        await storage.close()


def memory_backend() -> Backend:
    async def open_memory() -> Storage:
        return MemoryStorage(SystemClock())

    return Backend("memory", open_memory)


def embedded_backend(directory: Path) -> Backend:
    async def open_embedded() -> Storage:
        return await EmbeddedStorage.open(directory, SystemClock())

    return Backend("embedded", open_embedded)


def etcd_backend(url: str) -> Backend:
    async def open_etcd() -> Storage:
        return await EtcdStorage.connect([url], SystemClock())

    return Backend("etcd", open_etcd, shortest_ttl=1.0)


# Every backend: its name, and what opens it with a directory of its own and whatever fixtures it needs.
BACKENDS: dict[str, Callable[[Path, pytest.FixtureRequest], Backend]] = {
    "memory": lambda directory, request: memory_backend(),
    "embedded": lambda directory, request: embedded_backend(directory),
    "etcd": lambda directory, request: etcd_backend(request.getfixturevalue("etcd").url),
}
FORGETFUL = ("memory",)  # what ends with its process


async def next_batch(watch: Watch) -> list[Event]:
    async with asyncio.timeout(PATIENCE):
        return await anext(aiter(watch))


async def next_events(watch: Watch, count: int) -> list[Event]:
    """Exactly the next `count` changes of a watch, without PROGRESS; more in the last batch is an error."""
    events: list[Event] = []
    while len(events) < count:
        events += [e for e in await next_batch(watch) if e.type != PROGRESS]
    assert len(events) == count, events
    return events


async def next_progress(watch: Watch, revision: int) -> None:
    """Wait until the watch says that it has delivered everything up to `revision`; nothing else may come."""
    reached = 0
    while reached < revision:
        batch = await next_batch(watch)
        assert [e.type for e in batch] == [PROGRESS] * len(batch), batch
        reached = batch[-1].revision
