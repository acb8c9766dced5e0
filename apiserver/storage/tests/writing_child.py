"""A process that writes to an embedded store until it is killed, and notes in a file what it tries and what it is told.

Lines: `try ID KEY`, `ack ID REVISION`, `saw REVISION` (its own watch). They are written with one system call each, so
they survive the process.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Callable

from apiserver.apimachinery.clock import SystemClock
from apiserver.storage.embedded import EmbeddedStorage
from apiserver.storage.interface import PROGRESS, Conflict, KeyExists, KeyNotFound, Storage, Watch

WRITERS = 8
KEYS = 12


async def write(storage: Storage, note: Callable[[str], None], name: str, chance: random.Random) -> None:
    number = 0
    while True:
        number += 1
        key = f"/registry/things/{chance.randrange(KEYS):02}"
        item = (await storage.get(key)).item
        deleting = item is not None and chance.random() < 0.2
        write_id = f"{'delete' if deleting else 'put'}-{name}-{number}"
        note(f"try {write_id} {key}")
        try:
            if deleting and item is not None:
                revision = await storage.delete(key, expected=item.revision)
            else:
                ttl = 0.01 if chance.random() < 0.05 else None
                expected = item.revision if item else 0
                revision = await storage.put(key, write_id.encode(), expected=expected, ttl=ttl)
            note(f"ack {write_id} {revision}")
        except (Conflict, KeyExists, KeyNotFound):
            pass


async def read(watch: Watch, note: Callable[[str], None]) -> None:
    async for batch in watch:
        for event in batch:
            if event.type != PROGRESS:
                note(f"saw {event.revision}")


async def main(directory: str, notes: str, life: str) -> None:
    fd = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(line: str) -> None:
        os.write(fd, f"{line}\n".encode())

    os.write(1, b"opening\n")
    storage = await EmbeddedStorage.open(directory, SystemClock())
    after = await storage.current_revision()
    note(f"open {after}")
    tasks = [write(storage, note, f"{life}-{i}", random.Random(f"{life}-{i}")) for i in range(WRITERS)]
    await asyncio.gather(read(storage.watch("", after=after), note), *tasks)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
