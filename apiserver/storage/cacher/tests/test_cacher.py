"""The cacher against the storage it shows."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.storage.cacher import Change
from apiserver.storage.cacher.freshness import SharedQuestion
from apiserver.storage.cacher.history import FRESH, LEAST, History
from apiserver.storage.cacher.tests.small import PREFIX, Ear, Small, make_record, opened, over, virtual
from apiserver.storage.interface import (
    DELETE,
    PUT,
    Compacted,
    Event,
    FutureRevision,
    KeyValue,
    ListResult,
    Unavailable,
    Watch,
)
from apiserver.storage.memory import MemoryStorage


async def random_writes(small: Small, rand: random.Random, count: int) -> None:
    """Puts and deletes of a few names, here and beside the prefix, with pauses that let the watch run."""
    names = [f"{ns}/{n}" for ns in ("a", "a-b", "b") for n in range(8)]
    for _ in range(count):
        name = rand.choice(names)
        if rand.random() < 0.1:
            await small.storage.put("/registry/others/x", b"", expected=None)
        elif rand.random() < 0.35 and (await small.storage.get(f"{PREFIX}/{name}")).item is not None:
            await small.delete(name)
        else:
            await small.put(name, rand.randbytes(4))
        if rand.random() < 0.3:
            await asyncio.sleep(rand.choice((0, 0.5, 20)))


def told(change: Change) -> tuple[str, int, bytes | None, bytes | None]:
    value = change.record.tail if change.record is not None else None
    return change.subject.key, change.revision, value, change.previous.tail if change.previous is not None else None


def stored(event: Event) -> tuple[str, int, bytes | None, bytes | None]:
    return event.key, event.revision, event.value, event.previous


async def events_of(small: Small, after: int, upto: int) -> list[Event]:
    """What storage itself tells of the prefix."""
    found: list[Event] = []
    watch = small.storage.watch(PREFIX + "/", after=after)
    async for batch in watch:
        found += [e for e in batch if e.type in (PUT, DELETE)]
        if batch[-1].revision >= upto:
            break
    await watch.aclose()
    return found


@pytest.mark.parametrize("seed", range(12))
def test_states_and_changes_are_those_of_storage(seed: int) -> None:
    async def main() -> None:
        rand = random.Random(seed)
        async with opened(lambda memory: memory) as small:
            ear = Ear()
            small.cacher.subscribe(ear)
            first = small.cacher.revision
            await random_writes(small, rand, 400)
            last = await small.cacher.wait_current()
            events = await events_of(small, first, last)
            assert [told(c) for c in ear.changes] == [stored(e) for e in events]
            for revision in (rand.randrange(first, last + 1) for _ in range(25)):
                snapshot = await small.cacher.snapshot_at(revision)
                items = (await small.storage.list(PREFIX + "/", revision=revision)).items
                assert [(r.key, r.tail, r.revision) for r in snapshot] == [(i.key, i.value, i.revision) for i in items]
                assert snapshot.revision == revision
                if revision >= small.cacher.floor:
                    changes = small.cacher.changes_since(revision)
                    assert [told(c) for c in changes] == [stored(e) for e in events if e.revision > revision]
                older, upto = await small.cacher.replay(revision, 10_000)
                wanted = [stored(e) for e in events if revision < e.revision <= upto]
                assert [told(c) for c in older] == wanted

    run_virtual(main())


@virtual
async def test_a_consistent_read_sees_every_acknowledged_write(small: Small) -> None:
    for n in range(20):
        revision = await small.put(f"a/{n}")
        assert await small.cacher.wait_current() >= revision
        record = small.cacher.get(f"{PREFIX}/a/{n}")
        assert record is not None and record.revision == revision


@virtual
async def test_writes_beside_the_prefix_move_the_revision(small: Small) -> None:
    revision = await small.storage.put("/registry/others/x", b"", expected=0)
    await small.cacher.wait_until(revision)
    assert small.cacher.revision == revision


@virtual
async def test_a_future_revision_is_awaited_for_three_seconds(small: Small) -> None:
    before = small.clock.now()
    with pytest.raises(FutureRevision) as caught:
        await small.cacher.wait_until(99)
    assert (caught.value.asked, caught.value.current) == (99, small.cacher.revision)
    assert small.clock.now() - before == pytest.approx(3.0)


@virtual
async def test_a_revision_that_comes_in_time_is_enough(small: Small) -> None:
    waiting = asyncio.ensure_future(small.cacher.wait_until(small.cacher.revision + 1))
    await asyncio.sleep(2)
    await small.put("a/1")
    await waiting


@virtual
async def test_states_before_a_compaction_are_refused(small: Small) -> None:
    first = await small.put("a/1")
    second = await small.put("a/1")
    await small.cacher.wait_until(second)
    await small.storage.compact(second)
    with pytest.raises(Compacted):
        await small.cacher.snapshot_at(first)
    assert len(await small.cacher.snapshot_at(second)) == 1


@virtual
async def test_a_state_older_than_the_window_is_read_from_storage(small: Small) -> None:
    first = await small.put("a/0", b"first")
    for n in range(2 * LEAST):
        await small.put("a/0", b"%d" % n)
        await asyncio.sleep(FRESH / 10)
    await small.cacher.wait_current()
    assert small.cacher.floor > first
    (record,) = await small.cacher.snapshot_at(first)
    assert (record.tail, record.revision) == (b"first", first)
    with pytest.raises(Compacted):
        small.cacher.changes_since(first)


@virtual
async def test_a_cacher_added_later_misses_nothing(small: Small) -> None:
    await small.storage.put("/registry/later/x", b"1", expected=0)
    later = small.cachers.cacher("/registry/later", make_record)
    assert not later.ready
    await small.storage.put("/registry/later/y", b"2", expected=0)
    await later.wait_current()
    await small.storage.put("/registry/later/x", b"3", expected=None)
    await later.wait_current()
    assert [(r.key, r.tail) for r in later.snapshot()] == [("/registry/later/x", b"3"), ("/registry/later/y", b"2")]


@virtual
async def test_a_removed_cacher_ends_its_listeners_and_refuses_reads(small: Small) -> None:
    ear = Ear()
    small.cacher.subscribe(ear)
    small.cachers.remove(PREFIX)
    assert [after for _, after in ear.resets] == [None]
    with pytest.raises(Unavailable):
        await small.cacher.wait_current()


@virtual
async def test_a_listener_that_left_hears_nothing_more(small: Small) -> None:
    ear = Ear()
    leave = small.cacher.subscribe(ear)
    await small.put("a/1")
    await small.cacher.wait_current()
    leave()
    await small.put("a/2")
    await small.cacher.wait_current()
    assert [c.subject.name for c in ear.changes] == ["1"]


@virtual
async def test_what_cannot_be_read_is_left_out(small: Small) -> None:
    await small.put("a/1")
    await small.put("a/2", b"bad")
    await small.put("a/1", b"bad")
    await small.cacher.wait_current()
    assert len(small.cacher) == 0
    await small.put("a/1", b"good")
    await small.cacher.wait_current()
    assert [r.tail for r in small.cacher.snapshot()] == [b"good"]


class Breaking:
    """A storage whose watch can be cut, and which can be out of reach."""

    def __init__(self, memory: MemoryStorage) -> None:
        self._memory = memory
        self.cut = asyncio.Event()
        self.away = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._memory, name)

    async def list(self, prefix: str, **arguments: Any) -> ListResult:
        if self.away:
            raise Unavailable("away")
        return await self._memory.list(prefix, **arguments)

    def watch(self, prefix: str, *, after: int) -> Watch:
        return _CutWatch(self, self._memory.watch(prefix, after=after))


class _CutWatch:
    def __init__(self, storage: Breaking, watch: Watch) -> None:
        self._storage = storage
        self._watch = watch

    async def __aiter__(self) -> AsyncIterator[list[Event]]:
        async for batch in self._watch:
            if self._storage.cut.is_set():
                raise Compacted(batch[-1].revision)
            yield batch

    async def aclose(self) -> None:
        await self._watch.aclose()


@over(Breaking)
async def test_a_lost_watch_is_a_reset_and_a_new_state(small: Small) -> None:
    storage = small.storage
    assert isinstance(storage, Breaking)
    ear = Ear()
    small.cacher.subscribe(ear)
    await small.put("a/1")
    await small.cacher.wait_current()
    storage.cut.set()
    storage.away = True
    last = await small.put("a/2")
    await asyncio.sleep(0.5)
    assert not small.cacher.ready
    storage.cut.clear()
    storage.away = False
    await small.cacher.wait_until(last)
    assert [[r.name for r in after] if after is not None else None for _, after in ear.resets] == [None, ["1", "2"]]
    assert small.cacher.floor == last
    await small.put("a/3")
    await small.cacher.wait_current()
    assert [c.subject.name for c in ear.changes] == ["1", "3"]


@over(Breaking)
async def test_reads_give_up_when_storage_stays_away(small: Small) -> None:
    storage = small.storage
    assert isinstance(storage, Breaking)
    storage.cut.set()
    storage.away = True
    await small.put("a/1")
    await asyncio.sleep(0.5)
    with pytest.raises(Unavailable, match="initializing"):
        await small.cacher.wait_current()


def test_callers_share_the_next_question_never_one_that_began_before_them() -> None:
    async def main() -> None:
        asked: list[float] = []
        loop = asyncio.get_running_loop()

        async def ask() -> int:
            asked.append(loop.time())
            await asyncio.sleep(1)
            return len(asked)

        tasks = TaskOwner("test")
        question = SharedQuestion(ask, tasks)
        first = asyncio.ensure_future(question.answer())
        await asyncio.sleep(0.5)
        others = [asyncio.ensure_future(question.answer()) for _ in range(10)]
        assert await first == 1
        assert await asyncio.gather(*others) == [2] * 10
        assert asked == [0.0, 1.0]
        await tasks.close()

    run_virtual(main())


def test_a_caller_that_goes_away_does_not_leave_the_others_without_an_answer() -> None:
    async def main() -> None:
        async def ask() -> int:
            await asyncio.sleep(1)
            return 7

        tasks = TaskOwner("test")
        question = SharedQuestion(ask, tasks)
        first = asyncio.ensure_future(question.answer())
        await asyncio.sleep(0.5)
        other = asyncio.ensure_future(question.answer())
        await asyncio.sleep(0)
        first.cancel()
        assert await other == 7
        await tasks.close()

    run_virtual(main())


def test_history_is_bounded_by_age_once_it_holds_the_least() -> None:
    history = History(0)
    record = make_record(KeyValue("k", b"", 1))
    for revision in range(1, LEAST + 51):
        history.append(Change(revision, record, None, float(revision)))
    assert len(history) == LEAST + 50 - (history.floor)
    history.append(Change(1000, record, None, 10_000.0))
    assert len(history) == LEAST
    assert [c.revision for c in history.since(history.floor)][-1] == 1000
