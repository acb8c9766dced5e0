"""kill -9 of etcd itself under a stream of writes: what was acknowledged stays, and one watch sees every event once.

Before 3.5.5 an etcd that is its cluster's only member answers before it has written its log (etcd issue 14370), so a kill
costs acknowledged writes whoever the client is. The cluster of three has no such gap: it carries the promise for all versions.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from apiserver.apimachinery.clock import SystemClock
from apiserver.storage.etcd import EtcdStorage
from apiserver.storage.interface import PROGRESS, Conflict, Event, KeyExists, KeyNotFound, Storage, Unavailable, Watch
from apiserver.storage.tests.backends import PATIENCE, next_batch
from apiserver.storage.tests.etcd_process import NO_ETCD, EtcdProcess, etcd_version, find_etcd, kill_safe_flags
from apiserver.storage.tests.ledger import Ledger

KILLS = 20
WRITERS = 8
KEYS = 12
PREFIX = "/registry/things/"


async def write(storage: Storage, ledger: Ledger, name: str, stop: asyncio.Event) -> None:
    chance = random.Random(name)
    for number in itertools.count():
        if stop.is_set():
            return
        key = f"{PREFIX}{chance.randrange(KEYS):02}"
        with contextlib.suppress(Conflict, KeyExists, KeyNotFound, Unavailable):
            item = (await storage.get(key)).item
            deleting = item is not None and chance.random() < 0.2
            write_id = f"{'delete' if deleting else 'put'}-{name}-{number}"
            ledger.tried[write_id] = key
            if deleting and item is not None:
                ledger.acknowledged[write_id] = await storage.delete(key, expected=item.revision)
            else:
                expected = item.revision if item else 0
                ledger.acknowledged[write_id] = await storage.put(key, write_id.encode(), expected=expected)


async def follow(watch: Watch, seen: list[Event]) -> None:
    async for batch in watch:
        seen += [event for event in batch if event.type != PROGRESS]


async def acknowledged(ledger: Ledger, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while len(ledger.acknowledged) < count:  # noqa: ASYNC110  (counted by eight tasks)
            await asyncio.sleep(0.005)


async def grown(seen: list[Event]) -> None:
    before = len(seen)
    async with asyncio.timeout(PATIENCE):
        while len(seen) == before:  # noqa: ASYNC110  (read by another task)
            await asyncio.sleep(0.005)


async def check_all(storage: EtcdStorage, ledger: Ledger, seen: list[Event], began: int) -> None:
    """What the watch saw is the history, and the history keeps every promise."""
    last = await storage.put(PREFIX + "last", b"last", expected=0)
    ledger.tried["last"] = PREFIX + "last"
    async with asyncio.timeout(PATIENCE):
        while not seen or seen[-1].revision < last:  # noqa: ASYNC110  (read by another task)
            await asyncio.sleep(0.01)
    ledger.extend(seen)
    ledger.check()
    ledger.check_chain()
    assert (await storage.list(PREFIX)).items == ledger.state()
    again: list[Event] = []
    replay = storage.watch(PREFIX, after=began)
    while not again or again[-1].revision < last:
        again += [event for event in await next_batch(replay) if event.type != PROGRESS]
    assert again == seen


@contextlib.asynccontextmanager
async def under_load(*urls: str) -> AsyncIterator[tuple[EtcdStorage, Ledger, list[Event]]]:
    """A connection with a stream of writes and one watch; at the end all that it saw is judged."""
    ledger, stop, seen = Ledger(), asyncio.Event(), list[Event]()
    storage = await EtcdStorage.connect(urls, SystemClock())
    began = await storage.current_revision()
    watching = asyncio.create_task(follow(storage.watch(PREFIX, after=began), seen))
    writing = [asyncio.create_task(write(storage, ledger, f"w{i}", stop)) for i in range(WRITERS)]
    try:
        yield storage, ledger, seen
        stop.set()
        await asyncio.gather(*writing)
        await check_all(storage, ledger, seen, began)
    finally:
        for task in (watching, *writing):
            task.cancel()
        await asyncio.gather(watching, *writing, return_exceptions=True)
        await storage.close()


@pytest.mark.slow
async def test_twenty_kills_of_members_lose_no_acknowledged_write_and_no_event(tmp_path: Path) -> None:
    """A cluster of three; the member in use is killed, and comes back before the next one is."""
    if find_etcd() is None:
        pytest.skip(NO_ETCD)
    chance = random.Random(5)
    members = [EtcdProcess(tmp_path / name, *kill_safe_flags(), name=name) for name in "abc"]
    with contextlib.ExitStack() as stack:
        for member in members:
            member.cluster = ",".join(f"{m.name}={m.peer_url}" for m in members)
            stack.callback(member.kill)
            member.start()
        for member in members:
            member.wait_ready()
        async with under_load(*(member.url for member in members)) as (storage, ledger, seen):
            for _ in range(KILLS):
                await acknowledged(ledger, len(ledger.acknowledged) + 1 + chance.randrange(60))
                used = next(member for member in members if member.url == storage.stats()["endpoint"])
                used.kill()
                await acknowledged(ledger, len(ledger.acknowledged) + 10)
                await grown(seen)
                used.start()
                used.wait_ready()
            assert int(storage.stats()["interrupted_watches"]) >= KILLS


@pytest.mark.slow
async def test_twenty_kills_of_a_single_etcd_lose_no_acknowledged_write_and_no_event(tmp_path: Path) -> None:
    if find_etcd() is None:
        pytest.skip(NO_ETCD)
    if etcd_version() < (3, 5, 5):
        pytest.skip("etcd before 3.5.5 loses acknowledged writes when its only member is killed (etcd issue 14370)")
    chance = random.Random(5)
    with EtcdProcess(tmp_path / "etcd") as etcd:
        async with under_load(etcd.url) as (storage, ledger, seen):
            for number in range(KILLS):
                await acknowledged(ledger, len(ledger.acknowledged) + 1 + chance.randrange(60))
                if number % 2:  # else the watch may not have come back yet
                    await grown(seen)
                etcd.kill()
                etcd.start()
            await acknowledged(ledger, len(ledger.acknowledged) + 50)
            assert int(storage.stats()["interrupted_watches"]) >= KILLS // 2
