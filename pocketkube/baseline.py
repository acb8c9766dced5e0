"""Puts a store back to what it held at one moment, in milliseconds: how a warm cluster is made fresh between tests.

Whoever watches sees it as ordinary events: DELETED for what came since, MODIFIED for what was changed, ADDED for what was
deleted. No watch ends, no revision is used twice, and no finalizer or grace period holds anything up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress

from apiserver.storage.interface import KeyNotFound, KeyValue, Storage

ROOT = "/registry/"
# What components renew by themselves: it would never be at rest, and no test's business.
OWN_RHYTHM = ("/registry/leases/", "/registry/masterleases/")
START_REST, START_PATIENCE = 0.15, 30.0  # seconds without a write that count as rest; how long to wait for it
ROUNDS = 100
PAUSE = 0.005  # seconds in which components act on what they had begun


class Baseline:
    """The state to return to."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._kept: dict[str, bytes] = {}

    async def take(self) -> None:
        """Wait until the components of a new cluster have come to rest, and remember that state.

        Raises TimeoutError when they go on writing.
        """
        async with asyncio.timeout(START_PATIENCE):
            while self._kept != (found := {item.key: item.value for item in await self._items()}):
                self._kept = found
                await asyncio.sleep(START_REST)

    async def restore(self) -> int:
        """Go back, again and again until components at work have come to rest; how many writes it took.

        Raises TimeoutError when something goes on writing.
        """
        writes = quiet = 0
        for _ in range(ROUNDS):
            done = await self._restore_once()
            writes += done
            quiet = 0 if done else quiet + 1
            if quiet == 2:
                return writes
            await asyncio.sleep(PAUSE)
        raise TimeoutError("components go on writing")

    async def _restore_once(self) -> int:
        items = await self._items()
        there = {item.key for item in items}
        changed = list(self._changed(items))
        gone = [key for key in self._kept if key not in there]
        for key in (*changed, *gone):
            await self._put_back(key)
        return len(changed) + len(gone)

    def _changed(self, items: list[KeyValue]) -> Iterator[str]:
        for item in items:
            if self._kept.get(item.key) != item.value:
                yield item.key

    async def _put_back(self, key: str) -> None:
        value = self._kept.get(key)
        if value is not None:
            await self._storage.put(key, value, expected=None)
            return
        with suppress(KeyNotFound):  # somebody was faster
            await self._storage.delete(key, expected=None)

    async def _items(self) -> list[KeyValue]:
        found = await self._storage.list(ROOT)
        return [item for item in found.items if not item.key.startswith(OWN_RHYTHM)]
