"""The contract: what every Storage promises, sentence by sentence of `storage/interface.py`."""

from __future__ import annotations

import asyncio

import pytest

from apiserver.storage.interface import (
    DELETE,
    PROGRESS,
    PUT,
    Compacted,
    Conflict,
    Event,
    FutureRevision,
    GetResult,
    KeyExists,
    KeyNotFound,
    KeyValue,
    Storage,
    Unavailable,
)
from apiserver.storage.tests.backends import (
    BACKENDS,
    FORGETFUL,
    PATIENCE,
    Backend,
    next_batch,
    next_events,
    next_progress,
    opened,
)


async def fill(storage: Storage, keys: list[str]) -> dict[str, int]:
    return {key: await storage.put(key, key.encode(), expected=0) for key in keys}


async def keys_of(storage: Storage, prefix: str, *, revision: int = 0) -> list[str]:
    return [item.key for item in (await storage.list(prefix, revision=revision)).items]


# Reading.


async def test_an_absent_key_reads_as_none_at_the_current_revision(storage: Storage, prefix: str) -> None:
    assert await storage.get(prefix + "a") == GetResult(None, await storage.current_revision())


async def test_the_revision_of_an_empty_store_is_positive(storage: Storage) -> None:
    assert await storage.current_revision() > 0


async def test_a_written_value_reads_back_with_the_revision_that_wrote_it(storage: Storage, prefix: str) -> None:
    value = bytes(range(256)) * 40
    revision = await storage.put(prefix + "a", value, expected=0)
    assert await storage.get(prefix + "a") == GetResult(KeyValue(prefix + "a", value, revision), revision)


async def test_an_empty_value_is_a_value(storage: Storage, prefix: str) -> None:
    revision = await storage.put(prefix + "a", b"", expected=0)
    watch = storage.watch(prefix, after=revision - 1)
    assert (await storage.get(prefix + "a")).item == KeyValue(prefix + "a", b"", revision)
    deleted = await storage.delete(prefix + "a", expected=revision)
    assert await next_events(watch, 2) == [
        Event(PUT, prefix + "a", revision, b"", None, 0),
        Event(DELETE, prefix + "a", deleted, None, b"", revision),
    ]


async def test_a_value_of_a_megabyte_is_kept(storage: Storage, prefix: str) -> None:
    value = b"x" * 1_000_000
    await storage.put(prefix + "a", value, expected=0)
    item = (await storage.get(prefix + "a")).item
    assert item is not None
    assert item.value == value


async def test_a_list_is_sorted_by_code_point_and_bounded_by_its_prefix(storage: Storage, prefix: str) -> None:
    names = ["a/1", "a-b/1", "a", "b", "a/2", "é", "z", "\U0001f600", "\uff5e", "A"]
    await fill(storage, [prefix + name for name in names] + [prefix[:-1] + "0", prefix[:-1] + ".x"])
    assert await keys_of(storage, prefix) == sorted(prefix + name for name in names)
    assert await keys_of(storage, prefix + "a/") == [prefix + "a/1", prefix + "a/2"]


async def test_a_list_without_prefix_has_every_key(storage: Storage, prefix: str) -> None:
    await fill(storage, [prefix + "a", prefix + "b"])
    everything = await keys_of(storage, "")
    assert everything == sorted(everything)
    assert {prefix + "a", prefix + "b"} <= set(everything)


async def test_a_limited_list_counts_what_remains_and_start_goes_on(storage: Storage, prefix: str) -> None:
    keys = [f"{prefix}{i:02}" for i in range(10)]
    revisions = await fill(storage, keys)
    first = await storage.list(prefix, limit=4)
    assert [item.key for item in first.items] == keys[:4]
    assert (first.remaining, first.revision) == (6, revisions[keys[-1]])
    second = await storage.list(prefix, start=keys[3] + "\0", limit=4)
    assert ([item.key for item in second.items], second.remaining) == (keys[4:8], 2)
    last = await storage.list(prefix, start=keys[8], limit=2)
    assert ([item.key for item in last.items], last.remaining) == (keys[8:], 0)


async def test_a_start_before_the_prefix_changes_nothing(storage: Storage, prefix: str) -> None:
    await fill(storage, [prefix + "a"])
    assert (await storage.list(prefix, start="!")).items == (await storage.list(prefix)).items


async def test_an_empty_range_lists_nothing_at_the_current_revision(storage: Storage, prefix: str) -> None:
    listed = await storage.list(prefix)
    assert (listed.items, listed.remaining, listed.revision) == ([], 0, await storage.current_revision())


async def test_a_list_at_a_revision_is_the_state_of_then(storage: Storage, prefix: str) -> None:
    first = await storage.put(prefix + "a", b"1", expected=0)
    second = await storage.put(prefix + "b", b"1", expected=0)
    third = await storage.put(prefix + "a", b"2", expected=first)
    fourth = await storage.delete(prefix + "b", expected=second)
    a1, b1 = KeyValue(prefix + "a", b"1", first), KeyValue(prefix + "b", b"1", second)
    a2 = KeyValue(prefix + "a", b"2", third)
    for revision, items in [(first, [a1]), (second, [a1, b1]), (third, [a2, b1]), (fourth, [a2])]:
        listed = await storage.list(prefix, revision=revision)
        assert (listed.items, listed.revision, listed.remaining) == (items, revision, 0)


async def test_pages_at_a_revision_ignore_later_writes(storage: Storage, prefix: str) -> None:
    keys = [f"{prefix}{i}" for i in range(6)]
    await fill(storage, keys)
    first = await storage.list(prefix, limit=3)
    await storage.delete(keys[4], expected=None)
    await storage.put(prefix + "35", b"", expected=0)
    rest = await storage.list(prefix, start=keys[3], limit=2, revision=first.revision)
    assert ([item.key for item in rest.items], rest.remaining) == (keys[3:5], 1)


async def test_a_list_at_a_future_revision_is_refused(storage: Storage, prefix: str) -> None:
    asked = await storage.current_revision() + 1000
    with pytest.raises(FutureRevision) as caught:
        await storage.list(prefix, revision=asked)
    assert caught.value.asked == asked
    assert caught.value.current < asked


# Writing.


async def test_revisions_grow_with_every_write_of_any_key(storage: Storage, prefix: str) -> None:
    a = await storage.put(prefix + "a", b"1", expected=0)
    b = await storage.put(prefix + "b", b"1", expected=0)
    a2 = await storage.put(prefix + "a", b"1", expected=a)
    gone = await storage.delete(prefix + "b", expected=b)
    assert a < b < a2 < gone == await storage.current_revision()


async def test_a_put_that_expects_absence_refuses_a_present_key(storage: Storage, prefix: str) -> None:
    revision = await storage.put(prefix + "a", b"1", expected=0)
    with pytest.raises(KeyExists) as caught:
        await storage.put(prefix + "a", b"2", expected=0)
    assert caught.value.key == prefix + "a"
    assert await storage.current_revision() == revision


async def test_a_put_that_expects_another_revision_conflicts_and_shows_what_stands(
    storage: Storage, prefix: str
) -> None:
    first = await storage.put(prefix + "a", b"1", expected=0)
    second = await storage.put(prefix + "a", b"2", expected=first)
    with pytest.raises(Conflict) as caught:
        await storage.put(prefix + "a", b"3", expected=first)
    assert caught.value.current == KeyValue(prefix + "a", b"2", second)
    assert (caught.value.key, caught.value.expected) == (prefix + "a", first)
    assert await storage.current_revision() == second


async def test_a_put_that_expects_a_revision_of_an_absent_key_finds_none(storage: Storage, prefix: str) -> None:
    first = await storage.put(prefix + "a", b"1", expected=0)
    await storage.delete(prefix + "a", expected=first)
    with pytest.raises(KeyNotFound):
        await storage.put(prefix + "a", b"2", expected=first)
    with pytest.raises(KeyNotFound):
        await storage.put(prefix + "never", b"2", expected=first)


async def test_a_put_without_expectation_writes_in_any_case(storage: Storage, prefix: str) -> None:
    await storage.put(prefix + "a", b"1", expected=None)
    second = await storage.put(prefix + "a", b"2", expected=None)
    assert (await storage.get(prefix + "a")).item == KeyValue(prefix + "a", b"2", second)


async def test_a_key_can_come_back_after_its_deletion(storage: Storage, prefix: str) -> None:
    first = await storage.put(prefix + "a", b"1", expected=0)
    deleted = await storage.delete(prefix + "a", expected=first)
    second = await storage.put(prefix + "a", b"2", expected=0)
    events = await next_events(storage.watch(prefix, after=deleted), 1)
    assert events == [Event(PUT, prefix + "a", second, b"2", None, 0)]


async def test_a_delete_removes_and_is_a_revision(storage: Storage, prefix: str) -> None:
    first = await storage.put(prefix + "a", b"1", expected=0)
    deleted = await storage.delete(prefix + "a", expected=None)
    assert deleted > first
    assert await storage.get(prefix + "a") == GetResult(None, deleted)
    assert await keys_of(storage, prefix) == []


async def test_a_delete_of_an_absent_key_finds_none(storage: Storage, prefix: str) -> None:
    with pytest.raises(KeyNotFound):
        await storage.delete(prefix + "a", expected=None)
    with pytest.raises(KeyNotFound):
        await storage.delete(prefix + "a", expected=7)


async def test_a_delete_that_expects_another_revision_conflicts(storage: Storage, prefix: str) -> None:
    first = await storage.put(prefix + "a", b"1", expected=0)
    second = await storage.put(prefix + "a", b"2", expected=first)
    with pytest.raises(Conflict) as caught:
        await storage.delete(prefix + "a", expected=first)
    assert caught.value.current == KeyValue(prefix + "a", b"2", second)


async def test_of_many_creates_at_once_exactly_one_succeeds(storage: Storage, prefix: str) -> None:
    outcomes = await asyncio.gather(
        *(storage.put(prefix + "a", str(i).encode(), expected=0) for i in range(20)), return_exceptions=True
    )
    won = [i for i, outcome in enumerate(outcomes) if isinstance(outcome, int)]
    assert len(won) == 1
    assert all(isinstance(outcome, KeyExists) for i, outcome in enumerate(outcomes) if i not in won)
    assert (await storage.get(prefix + "a")).item == KeyValue(prefix + "a", str(won[0]).encode(), outcomes[won[0]])  # type: ignore[arg-type]


async def test_concurrent_increments_lose_nothing(storage: Storage, prefix: str) -> None:
    await storage.put(prefix + "n", b"0", expected=0)

    async def increment() -> None:
        while True:
            item = (await storage.get(prefix + "n")).item
            assert item is not None
            try:
                await storage.put(prefix + "n", str(int(item.value) + 1).encode(), expected=item.revision)
                return
            except Conflict as conflict:
                assert conflict.current.revision > conflict.expected

    await asyncio.gather(*(increment() for _ in range(12)))
    item = (await storage.get(prefix + "n")).item
    assert item is not None
    assert item.value == b"12"


async def test_writes_at_once_get_revisions_of_their_own(storage: Storage, prefix: str) -> None:
    revisions = await asyncio.gather(*(storage.put(f"{prefix}{i:03}", b"x" * i, expected=0) for i in range(300)))
    assert len(set(revisions)) == 300
    listed = await storage.list(prefix)
    assert [(item.key, item.value, item.revision) for item in listed.items] == [
        (f"{prefix}{i:03}", b"x" * i, revision) for i, revision in enumerate(revisions)
    ]


# Expiry.


async def test_a_key_with_a_ttl_ends_with_a_delete_of_its_own_revision(
    storage: Storage, backend: Backend, prefix: str
) -> None:
    ttl = backend.shortest_ttl
    loop = asyncio.get_running_loop()
    began = loop.time()
    put = await storage.put(prefix + "a", b"1", expected=0, ttl=ttl)
    delete = (await next_events(storage.watch(prefix, after=put), 1))[0]
    assert loop.time() - began >= ttl * 0.99
    assert delete == Event(DELETE, prefix + "a", delete.revision, None, b"1", put)
    assert delete.revision > put
    assert (await storage.get(prefix + "a")).item is None
    assert await keys_of(storage, prefix, revision=delete.revision - 1) == [prefix + "a"]


async def test_a_later_put_without_ttl_removes_it(storage: Storage, backend: Backend, prefix: str) -> None:
    kept = await storage.put(prefix + "kept", b"1", expected=0, ttl=backend.shortest_ttl)
    kept = await storage.put(prefix + "kept", b"2", expected=kept)
    ends = await storage.put(prefix + "ends", b"1", expected=0, ttl=backend.shortest_ttl)
    assert (await next_events(storage.watch(prefix, after=ends), 1))[0].key == prefix + "ends"
    assert (await storage.get(prefix + "kept")).item == KeyValue(prefix + "kept", b"2", kept)


async def test_a_later_put_with_ttl_counts_anew(storage: Storage, backend: Backend, prefix: str) -> None:
    first = await storage.put(prefix + "a", b"1", expected=0, ttl=backend.shortest_ttl)
    second = await storage.put(prefix + "a", b"2", expected=first, ttl=3600.0)
    other = await storage.put(prefix + "b", b"1", expected=0, ttl=backend.shortest_ttl)
    assert (await next_events(storage.watch(prefix, after=other), 1))[0].key == prefix + "b"
    assert (await storage.get(prefix + "a")).item == KeyValue(prefix + "a", b"2", second)


# Watching.


async def test_a_watch_tells_every_change_with_the_value_before(storage: Storage, prefix: str) -> None:
    watch = storage.watch(prefix, after=await storage.current_revision())
    a1 = await storage.put(prefix + "a", b"1", expected=0)
    a2 = await storage.put(prefix + "a", b"2", expected=a1)
    gone = await storage.delete(prefix + "a", expected=a2)
    events = await next_events(watch, 3)
    assert events == [
        Event(PUT, prefix + "a", a1, b"1", None, 0),
        Event(PUT, prefix + "a", a2, b"2", b"1", a1),
        Event(DELETE, prefix + "a", gone, None, b"2", a2),
    ]


async def test_a_watch_after_a_revision_replays_what_came_behind_it(storage: Storage, prefix: str) -> None:
    revisions = [await storage.put(f"{prefix}{i}", b"", expected=0) for i in range(10)]
    events = await next_events(storage.watch(prefix, after=revisions[3]), 6)
    assert [e.revision for e in events] == revisions[4:]


async def test_a_watch_after_zero_begins_now(storage: Storage, prefix: str) -> None:
    await storage.put(prefix + "before", b"", expected=0)
    watch = storage.watch(prefix, after=0)
    await storage.put(prefix + "then", b"", expected=0)
    assert [e.key for e in await next_events(watch, 1)] == [prefix + "then"]


async def test_a_watch_sees_only_its_prefix(storage: Storage, prefix: str) -> None:
    watch = storage.watch(prefix + "a/", after=await storage.current_revision())
    for name in ["a", "a-b", "a/1", "b/1", "a0", "a/2"]:
        await storage.put(prefix + name, b"", expected=0)
    assert [e.key for e in await next_events(watch, 2)] == [prefix + "a/1", prefix + "a/2"]


async def test_a_watch_hears_of_progress_elsewhere(storage: Storage, prefix: str) -> None:
    watch = storage.watch(prefix + "a/", after=await storage.current_revision())
    revision = await storage.put(prefix + "b/1", b"", expected=0)
    await next_progress(watch, revision)


async def test_progress_never_runs_ahead_of_events(storage: Storage, prefix: str) -> None:
    after = await storage.current_revision()
    watch = storage.watch(prefix + "a/", after=after)
    writes = [storage.put(f"{prefix}{'ab'[i % 2]}/{i}", b"", expected=0) for i in range(40)]
    revisions = await asyncio.gather(*writes)
    events: list[Event] = []
    while not events or events[-1].revision < max(revisions):
        events += await next_batch(watch)
    told = [e.revision for e in events]
    assert told == sorted(told)
    assert sorted(e.key for e in events if e.type == PUT) == sorted(f"{prefix}a/{i}" for i in range(0, 40, 2))


async def test_a_watch_after_a_future_revision_waits_for_it(storage: Storage, prefix: str) -> None:
    now = await storage.put(prefix + "x", b"", expected=0)
    watch = storage.watch(prefix, after=now + 2)
    revisions = [await storage.put(f"{prefix}{i}", b"", expected=0) for i in range(4)]
    events = await next_events(watch, 2)
    assert [e.revision for e in events] == [r for r in revisions if r > now + 2]


async def test_two_watches_see_the_same_order(storage: Storage, prefix: str) -> None:
    watches = [storage.watch(prefix, after=await storage.current_revision()) for _ in range(2)]
    await asyncio.gather(*(storage.put(f"{prefix}{i % 7}", str(i).encode(), expected=None) for i in range(50)))
    one, other = [await next_events(watch, 50) for watch in watches]
    assert one == other
    assert [e.revision for e in one] == sorted({e.revision for e in one})


async def test_batches_are_never_empty(storage: Storage, prefix: str) -> None:
    watch = storage.watch(prefix, after=await storage.current_revision())
    for i in range(5):
        await storage.put(f"{prefix}{i}", b"", expected=0)
    count = 0
    while count < 5:
        batch = await next_batch(watch)
        assert batch
        count += len([e for e in batch if e.type == PUT])


async def test_a_waiting_watch_ends_when_it_is_closed(storage: Storage, prefix: str) -> None:
    watch = storage.watch(prefix, after=0)
    batches: list[list[Event]] = []

    async def read() -> None:
        async for batch in watch:
            batches.append(batch)

    reader = asyncio.create_task(read())
    await asyncio.sleep(0)
    await watch.aclose()
    async with asyncio.timeout(PATIENCE):
        await reader
    assert [e for batch in batches for e in batch if e.type != PROGRESS] == []


async def test_a_cancelled_wait_loses_no_event(storage: Storage, prefix: str) -> None:
    watch = storage.watch(prefix, after=await storage.current_revision())
    iterator = aiter(watch)
    waiting = asyncio.ensure_future(anext(iterator))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    revision = await storage.put(prefix + "a", b"", expected=0)
    assert [e.revision for e in await next_events(watch, 1)] == [revision]


# Compaction.


async def test_compaction_keeps_what_is_current_and_forgets_the_rest(storage: Storage, prefix: str) -> None:
    a1 = await storage.put(prefix + "a", b"1", expected=0)
    b1 = await storage.put(prefix + "b", b"1", expected=0)
    a2 = await storage.put(prefix + "a", b"2", expected=a1)
    await storage.delete(prefix + "b", expected=b1)
    c = await storage.put(prefix + "c", b"1", expected=0)
    await storage.compact(c)
    assert await storage.compacted_revision() == c
    for revision in (0, c):
        assert (await storage.list(prefix, revision=revision)).items == [
            KeyValue(prefix + "a", b"2", a2),
            KeyValue(prefix + "c", b"1", c),
        ]
    for revision in (a1, a2, c - 1):
        with pytest.raises(Compacted) as caught:
            await storage.list(prefix, revision=revision)
        assert caught.value.compacted == c
    assert (await storage.get(prefix + "a")).item == KeyValue(prefix + "a", b"2", a2)


async def test_a_watch_behind_the_compacted_revision_raises_compacted(storage: Storage, prefix: str) -> None:
    first = await storage.put(prefix + "a", b"1", expected=0)
    second = await storage.put(prefix + "a", b"2", expected=first)
    third = await storage.put(prefix + "a", b"3", expected=second)
    await storage.compact(second)
    with pytest.raises(Compacted) as caught:
        await next_batch(storage.watch(prefix, after=first))
    assert caught.value.compacted == second
    events = await next_events(storage.watch(prefix, after=second), 1)
    assert events == [Event(PUT, prefix + "a", third, b"3", b"2", second)]


async def test_a_watch_that_has_raised_is_over(storage: Storage, prefix: str) -> None:
    first = await storage.put(prefix + "a", b"1", expected=0)
    second = await storage.put(prefix + "a", b"2", expected=first)
    await storage.compact(second)
    watch = storage.watch(prefix, after=first - 1)
    with pytest.raises(Compacted):
        await next_batch(watch)
    with pytest.raises(StopAsyncIteration):
        await next_batch(watch)


async def test_a_watch_at_the_head_lives_through_compaction(storage: Storage, prefix: str) -> None:
    watch = storage.watch(prefix, after=await storage.current_revision())
    first = await storage.put(prefix + "a", b"1", expected=0)
    assert [e.revision for e in await next_events(watch, 1)] == [first]
    await storage.compact(first)
    second = await storage.put(prefix + "a", b"2", expected=first)
    assert await next_events(watch, 1) == [Event(PUT, prefix + "a", second, b"2", b"1", first)]


async def test_compacting_again_or_further_back_changes_nothing(storage: Storage, prefix: str) -> None:
    first = await storage.put(prefix + "a", b"1", expected=0)
    second = await storage.put(prefix + "a", b"2", expected=first)
    await storage.compact(second)
    await storage.compact(second)
    await storage.compact(first)
    assert await storage.compacted_revision() == second


async def test_compacting_the_future_is_refused(storage: Storage) -> None:
    with pytest.raises(FutureRevision):
        await storage.compact(await storage.current_revision() + 1000)


async def test_a_deletion_at_the_compacted_revision_stays_done(storage: Storage, prefix: str) -> None:
    await storage.put(prefix + "a", b"1", expected=0)
    deleted = await storage.delete(prefix + "a", expected=None)
    await storage.compact(deleted)
    assert (await storage.list(prefix, revision=deleted)).items == []
    assert await storage.put(prefix + "a", b"2", expected=0) > deleted


# The store itself.


async def test_an_open_store_is_ready_and_has_figures(storage: Storage, prefix: str) -> None:
    revision = await storage.put(prefix + "a", b"1", expected=0)
    await storage.ready()
    assert storage.stats()["revision"] == revision


async def test_a_closed_store_is_unavailable(backend: Backend, prefix: str) -> None:
    storage = await backend.open()
    watch = storage.watch(prefix, after=await storage.current_revision())
    waiting = asyncio.ensure_future(anext(aiter(watch)))
    await asyncio.sleep(0)
    await storage.close()
    await storage.close()
    for use in (
        waiting,
        storage.get(prefix),
        storage.list(prefix),
        storage.ready(),
        storage.put(prefix, b"", expected=0),
    ):
        with pytest.raises(Unavailable):
            async with asyncio.timeout(PATIENCE):
                await use


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name not in FORGETFUL], indirect=True)
async def test_a_store_that_is_opened_again_has_everything(backend: Backend, prefix: str) -> None:
    async with opened(backend) as storage:
        a1 = await storage.put(prefix + "a", b"1", expected=0)
        a2 = await storage.put(prefix + "a", b"2", expected=a1)
        gone = await storage.put(prefix + "b", b"1", expected=0)
        gone = await storage.delete(prefix + "b", expected=gone)
        leased = await storage.put(prefix + "c", b"1", expected=0, ttl=backend.shortest_ttl)
    async with opened(backend) as storage:
        assert await storage.current_revision() >= leased
        assert (await storage.list(prefix, revision=a1)).items == [KeyValue(prefix + "a", b"1", a1)]
        assert (await storage.get(prefix + "a")).item == KeyValue(prefix + "a", b"2", a2)
        events = await next_events(storage.watch(prefix, after=a1), 5)
        assert [(e.type, e.revision) for e in events[:3]] == [(PUT, a2), (PUT, gone - 1), (DELETE, gone)]
        assert [(e.type, e.key, e.previous_revision) for e in events[3:]] == [
            (PUT, prefix + "c", 0),
            (DELETE, prefix + "c", leased),
        ]
