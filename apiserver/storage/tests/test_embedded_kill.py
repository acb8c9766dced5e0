"""kill -9 under a stream of writes: nothing acknowledged is missing or doubled, no revision is used twice."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from apiserver.storage.interface import Event, Storage
from apiserver.storage.tests.backends import PATIENCE, embedded_backend, next_batch, opened
from apiserver.storage.tests.ledger import Ledger

KILLS = 50


async def live_and_die(directory: Path, notes: Path, life: int, chance: random.Random) -> None:
    """Start a writer, and kill it after some of its notes, or while it opens the store."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "apiserver.storage.tests.writing_child", str(directory), str(notes), str(life),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    assert await child.stdout.readline() == b"opening\n"
    if chance.random() < 0.2:
        await asyncio.sleep(chance.random() * 0.02)
    else:
        until = _size(notes) + chance.randrange(60_000)
        async with asyncio.timeout(PATIENCE):
            while _size(notes) <= until:  # noqa: ASYNC110  (another process writes it)
                await asyncio.sleep(0.002)
    child.kill()
    await child.wait()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


class Notes:
    """What the children noted, life by life."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self, ledger: Ledger) -> tuple[int, list[int]]:
        """Enter the newest life's notes; the revision at its opening (0: it never opened) and what its watch saw."""
        if not self._path.exists():
            return 0, []
        with self._path.open() as file:
            file.seek(self._offset)
            lines = file.read().splitlines()
            self._offset = file.tell()
        began, saw = 0, []
        for line in lines:
            match line.split():
                case ["try", name, key]:
                    ledger.tried[name] = key
                case ["ack", name, revision]:
                    ledger.acknowledged[name] = int(revision)
                case ["saw", revision]:
                    saw.append(int(revision))
                case ["open", revision]:
                    began = int(revision)
        return began, saw


async def events_after(storage: Storage, after: int) -> list[Event]:
    events: list[Event] = []
    watch = storage.watch("", after=after)
    newest = await storage.current_revision()
    while (events[-1].revision if events else after) < newest:
        events += await next_batch(watch)
    return events


async def test_fifty_kills_lose_no_acknowledged_write_and_reuse_no_revision(tmp_path: Path) -> None:
    chance = random.Random(3)
    directory, ledger, notes = tmp_path / "data", Ledger(), Notes(tmp_path / "notes")
    last = compacted = 1
    for life in range(KILLS):
        await live_and_die(directory, tmp_path / "notes", life, chance)
        began, saw = notes.read(ledger)
        async with opened(embedded_backend(directory)) as storage:
            assert await storage.current_revision() >= max([last, *saw])
            known = [event for event in ledger.history if event.revision > compacted]
            events = await events_after(storage, compacted)  # keys expire meanwhile: the end of it is not fixed
            assert events[: len(known)] == known, "history has changed"
            ledger.extend(events[len(known) :])
            resumed = await events_after(storage, last)
            assert resumed[: len(events) - len(known)] == events[len(known) :]
            last = ledger.history[-1].revision if ledger.history else last
            since = [event.revision for event in ledger.history if event.revision > began]
            assert not began or saw == since[: len(saw)], "the child's watch saw something else"
            assert (await storage.list("", revision=last)).items == ledger.state()
            if life % 10 == 9:
                compacted = last
                await storage.compact(compacted)
        ledger.check()
        ledger.check_chain()
    assert [e.revision for e in ledger.history] == list(range(2, last + 1))
    assert len(ledger.acknowledged) > 5000
