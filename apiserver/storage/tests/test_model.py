"""Random operations against memory, the reference model: every backend answers the same.

Revisions may differ by what else happens in a store; each one is compared by the write that made it.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from apiserver.apimachinery.clock import SystemClock
from apiserver.storage.interface import (
    PROGRESS,
    Compacted,
    Conflict,
    Event,
    KeyExists,
    KeyNotFound,
    KeyValue,
    Storage,
    Watch,
)
from apiserver.storage.memory import MemoryStorage
from apiserver.storage.tests.backends import Backend, next_batch, opened
from apiserver.storage.transform import Providers, TransformedStorage, aesgcm, identity

STEPS = 400
NAMES = ["a", "a/1", "a/2", "a-b/1", "b/1", "b/2", "é/1", "z"]


class Pair:
    """The model and a backend, and which revisions of theirs mean the same."""

    def __init__(self, model: Storage, real: Storage, prefix: str, chance: random.Random) -> None:
        self.model = model
        self.real = real
        self.prefix = prefix
        self.chance = chance
        self.model_of: dict[int, int] = {}
        self.real_of: dict[int, int] = {}
        self.watches: list[tuple[Watch, Watch]] = []
        self.written: list[int] = []  # the model's revisions, in order
        self.compacted = 0

    def pair(self, model: int, real: int) -> None:
        assert not self.written or real > self.real_of[self.written[-1]]
        self.model_of[real] = model
        self.real_of[model] = real
        self.written.append(model)

    def key(self) -> str:
        return self.prefix + self.chance.choice(NAMES)

    def item(self, item: KeyValue | None) -> KeyValue | None:
        """A backend's item in the model's revisions."""
        return item and item._replace(revision=self.model_of[item.revision])

    def event(self, event: Event) -> Event:
        before = self.model_of[event.previous_revision] if event.previous_revision else 0
        return event._replace(revision=self.model_of[event.revision], previous_revision=before)

    async def write(self, act: Callable[[Storage, Callable[[int], int]], Awaitable[int]]) -> None:
        """The same write on both: the same outcome."""
        model = await _outcome(act(self.model, lambda revision: revision))
        real = await _outcome(act(self.real, lambda revision: self.real_of.get(revision, revision)))
        if isinstance(model, int) and isinstance(real, int):
            self.pair(model, real)
            return
        assert type(model) is type(real), (model, real)
        if isinstance(model, Conflict) and isinstance(real, Conflict):
            assert self.item(real.current) == model.current

    # The operations.

    async def put(self) -> None:
        key, value = self.key(), self.chance.randbytes(self.chance.choice([0, 1, 10, 5000]))
        expected = await self.expectation(key)

        def act(storage: Storage, own: Callable[[int], int]) -> Awaitable[int]:
            return storage.put(key, value, expected=own(expected) if expected else expected)

        await self.write(act)

    async def delete(self) -> None:
        key = self.key()
        expected = await self.expectation(key) or None

        def act(storage: Storage, own: Callable[[int], int]) -> Awaitable[int]:
            return storage.delete(key, expected=own(expected) if expected else None)

        await self.write(act)

    async def expectation(self, key: str) -> int | None:
        item = (await self.model.get(key)).item
        right = item.revision if item else 0
        wrong = self.chance.choice(self.written or [0])
        return self.chance.choice([right, right, right, None, 0, wrong])

    async def get(self) -> None:
        key = self.key()
        model, real = await self.model.get(key), await self.real.get(key)
        assert self.item(real.item) == model.item

    async def list(self) -> None:
        prefix = self.prefix + self.chance.choice(["", "", "a", "a/", "b/", "nothing/"])
        options: dict[str, Any] = {"limit": self.chance.choice([0, 0, 1, 2, 5])}
        if self.chance.random() < 0.3:
            options["start"] = self.key() + self.chance.choice(["", "\0"])
        revision = self.chance.choice(self.written) if self.written and self.chance.random() < 0.4 else 0
        model = await _outcome(self.model.list(prefix, **options, revision=revision))
        real = await _outcome(self.real.list(prefix, **options, revision=self.real_of.get(revision, 0)))
        if isinstance(model, Compacted):
            assert isinstance(real, Compacted), real
            assert real.compacted == self.real_of[model.compacted]
            return
        assert ([self.item(item) for item in real.items], real.remaining) == (model.items, model.remaining)
        if revision:
            assert real.revision == self.real_of[revision]

    async def compact(self) -> None:
        if self.written:
            revision = self.chance.choice(self.written[len(self.written) // 2 :])
            await self.model.compact(revision)
            await self.real.compact(self.real_of[revision])
            self.compacted = max(self.compacted, revision)
            assert await self.real.compacted_revision() == self.real_of[await self.model.compacted_revision()]

    async def watch(self) -> None:
        if self.written:
            prefix = self.prefix + self.chance.choice(["", "a/", "b/"])
            after = self.chance.choice([*self.written[-40:], self.written[-1]])
            real = self.real.watch(prefix, after=self.real_of[after])
            self.watches.append((self.model.watch(prefix, after=after), real))

    async def follow(self) -> None:
        """One of the watches catches up with what happened."""
        if self.watches:
            index = self.chance.randrange(len(self.watches))
            await self.check_watch(*self.watches[index])
            if self.chance.random() < 0.5:
                for watch in self.watches.pop(index):
                    await watch.aclose()

    async def check_watch(self, model: Watch, real: Watch) -> None:
        last = await self.real.put(self.prefix + "a/mark", b"", expected=None)
        self.pair(await self.model.put(self.prefix + "a/mark", b"", expected=None), last)
        mine = await _outcome(_until(model, self.written[-1]))
        theirs = await _outcome(_until(real, last))
        if isinstance(mine, Compacted):
            assert isinstance(theirs, Compacted), theirs
            self.watches.remove((model, real))
            self.watches.insert(0, (self.model.watch(self.prefix, after=0), self.real.watch(self.prefix, after=0)))
            return
        assert not isinstance(theirs, Compacted)
        assert [self.event(event) for event in theirs] == mine


async def _outcome(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except (KeyExists, KeyNotFound, Conflict, Compacted) as e:
        return e


async def _until(watch: Watch, revision: int) -> list[Event]:
    events: list[Event] = []
    while True:
        batch = await next_batch(watch)
        events += [event for event in batch if event.type != PROGRESS]
        if batch[-1].revision >= revision:
            return events


async def play(pair: Pair) -> None:
    weights = {
        pair.put: 40,
        pair.delete: 15,
        pair.get: 10,
        pair.list: 15,
        pair.watch: 8,
        pair.follow: 10,
        pair.compact: 2,
    }
    for _ in range(STEPS):
        step = pair.chance.choices(list(weights), list(weights.values()))[0]
        await step()
    for model, real in list(pair.watches):
        await pair.check_watch(model, real)
    assert len(pair.written) > STEPS // 4


@pytest.mark.parametrize("backend", ["embedded", "etcd"], indirect=True)
@pytest.mark.parametrize("seed", range(5))
async def test_a_backend_answers_as_the_model(backend: Backend, prefix: str, seed: int) -> None:
    async with opened(backend) as real:
        await play(Pair(MemoryStorage(SystemClock()), real, prefix, random.Random(seed)))


@pytest.mark.parametrize("seed", range(3))
async def test_an_encrypted_storage_answers_as_the_model(prefix: str, seed: int) -> None:
    raw = MemoryStorage(SystemClock())
    real = TransformedStorage(raw, {f"{prefix}a": Providers([aesgcm("k", b"k" * 32), identity()])})
    await play(Pair(MemoryStorage(SystemClock()), real, prefix, random.Random(seed)))


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
@pytest.mark.parametrize("seed", range(3))
async def test_an_embedded_store_that_is_opened_again_and_again_answers_as_the_model(
    backend: Backend, prefix: str, seed: int
) -> None:
    """Over the same life of the model."""
    chance = random.Random(seed)
    pair = Pair(MemoryStorage(SystemClock()), await backend.open(), prefix, chance)
    for _ in range(4):
        await play(pair)
        for watches in pair.watches:
            for watch in watches:
                await watch.aclose()
        pair.watches.clear()
        await pair.real.close()
        pair.real = await backend.open()
    await pair.real.close()
