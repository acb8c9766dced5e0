"""EmbeddedStorage beyond the contract: its directory, its errors, snapshots, and what a full disk does."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import stat
import sys
from pathlib import Path

import pytest

from apiserver.apimachinery.clock import SystemClock
from apiserver.storage.embedded import CorruptStore, DirectoryInUse, DiskFull, EmbeddedStorage
from apiserver.storage.interface import (
    DELETE,
    PUT,
    Compacted,
    KeyExists,
    KeyNotFound,
    KeyValue,
    StorageError,
    Unavailable,
)
from apiserver.storage.tests.backends import PATIENCE, embedded_backend, next_batch, next_events, opened

CLOCK = SystemClock()


async def fill(directory: Path, count: int = 40, size: int = 3000) -> list[KeyValue]:
    """A closed store with some history; what it holds."""
    async with opened(embedded_backend(directory)) as storage:
        for i in range(count):
            await storage.put(f"/registry/pods/p{i % 25}", bytes([i]) * size, expected=None)
        await storage.delete("/registry/pods/p7", expected=None)
        return (await storage.list("")).items


# The directory.


async def test_an_empty_store_is_private_and_leaves_one_file_when_closed(tmp_path: Path) -> None:
    storage = await EmbeddedStorage.open(tmp_path / "a" / "data", CLOCK)
    assert await storage.current_revision() == 1
    assert {stat.S_IMODE(p.stat().st_mode) & 0o077 for p in (tmp_path / "a" / "data").iterdir()} == {0}
    await storage.close()
    assert sorted(p.name for p in (tmp_path / "a" / "data").iterdir()) == ["lock", "store.db"]


async def test_a_second_opening_is_refused_and_names_the_owner(tmp_path: Path) -> None:
    async with opened(embedded_backend(tmp_path)):
        with pytest.raises(DirectoryInUse) as caught:
            await EmbeddedStorage.open(tmp_path, CLOCK)
    assert str(caught.value) == (
        f"{tmp_path} is in use by process {os.getpid()}: stop it, or choose another data directory"
    )


async def test_a_second_process_is_refused_until_the_first_has_died(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from apiserver.apimachinery.clock import SystemClock\n"
        "from apiserver.storage.embedded import EmbeddedStorage\n"
        "async def main():\n"
        "    await EmbeddedStorage.open(sys.argv[1], SystemClock())\n"
        "    print('open', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout is not None
    assert await owner.stdout.readline() == b"open\n"
    with pytest.raises(DirectoryInUse, match=f"process {owner.pid}:"):
        await EmbeddedStorage.open(tmp_path, CLOCK)
    owner.kill()
    await owner.wait()
    async with opened(embedded_backend(tmp_path)) as storage:
        await storage.ready()


async def test_a_directory_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable) as caught:
        await EmbeddedStorage.open(tmp_path / "file" / "data", CLOCK)
    assert str(caught.value) == f"cannot open {tmp_path}/file/data/store.db: Not a directory"


async def test_an_expiry_that_fell_due_while_the_store_was_closed_happens_after_opening(tmp_path: Path) -> None:
    async with opened(embedded_backend(tmp_path)) as storage:
        revision = await storage.put("/a", b"1", expected=0, ttl=0.01)
    await asyncio.sleep(0.02)
    async with opened(embedded_backend(tmp_path)) as storage:
        events = await next_events(storage.watch("", after=revision), 1)
        assert [(e.type, e.key, e.revision) for e in events] == [(DELETE, "/a", revision + 1)]


async def test_compaction_gives_the_space_back_to_later_writes(tmp_path: Path) -> None:
    async def churn(storage: EmbeddedStorage) -> int:
        for i in range(300):
            await storage.put(f"/{i % 10}", os.urandom(4000), expected=None)
        await storage.compact(await storage.current_revision())
        async with asyncio.timeout(PATIENCE):
            await storage.cleaned()
        assert await storage.rows() == 10
        return int(storage.stats()["bytes"] + storage.stats()["log_bytes"])

    storage = await EmbeddedStorage.open(tmp_path, CLOCK)
    sizes = [await churn(storage) for _ in range(12)]
    await storage.close()
    assert sizes[-1] <= sizes[-4], "the file goes on growing"
    assert (tmp_path / "store.db").stat().st_size < 300 * 4000 * 2


# What is not a store.


@pytest.mark.parametrize("keep", [0, 1, 99, 4096, 0.5, -1])
async def test_a_file_that_was_cut_short_is_refused(tmp_path: Path, keep: float) -> None:
    await fill(tmp_path)
    file = tmp_path / "store.db"
    size = file.stat().st_size
    os.truncate(file, int(size * keep) if isinstance(keep, float) else keep % size)
    with pytest.raises(CorruptStore) as caught:
        await EmbeddedStorage.open(tmp_path, CLOCK)
    assert str(caught.value).startswith(f"{file} is corrupt (")
    assert "\n" not in str(caught.value)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(CorruptStore):  # and it has let go of the lock
            await EmbeddedStorage.open(tmp_path, CLOCK)


async def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE t (a)")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(CorruptStore, match="another program's database"):
        await EmbeddedStorage.open(tmp_path, CLOCK)
    assert file.read_bytes() == before
    file.write_bytes(b"hello " * 100)
    with pytest.raises(CorruptStore, match="not a database"):
        await EmbeddedStorage.open(tmp_path, CLOCK)


async def test_a_newer_format_is_refused_by_name(tmp_path: Path) -> None:
    await fill(tmp_path)
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(Unavailable, match="has format 2, this version reads 1"):
        await EmbeddedStorage.open(tmp_path, CLOCK)


async def test_a_log_without_its_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.db-wal").write_bytes(b"x" * 100)
    with pytest.raises(CorruptStore, match="missing beside its log"):
        await EmbeddedStorage.open(tmp_path, CLOCK)


async def test_a_flipped_bit_is_noticed_or_harmless(tmp_path: Path) -> None:
    """Anywhere in the file: the store answers as before, or with an error; never with something else."""
    chance = random.Random(7)
    items = await fill(tmp_path / "good")
    async with opened(embedded_backend(tmp_path / "good")) as storage:
        events = await next_events(storage.watch("", after=1), 41)
    content = (tmp_path / "good" / "store.db").read_bytes()
    noticed = 0
    for number in range(120):
        broken = bytearray(content)
        broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        directory = tmp_path / str(number)
        directory.mkdir()
        (directory / "store.db").write_bytes(broken)
        try:
            async with opened(embedded_backend(directory)) as storage:
                assert (await storage.list("")).items == items
                assert [(await storage.get(item.key)).item for item in items] == items
                assert await next_events(storage.watch("", after=1), 41) == events
        except StorageError as error:
            assert "\n" not in str(error)
            noticed += 1
        shutil.rmtree(directory)
    assert noticed > 60


# A full disk.


async def test_a_full_disk_refuses_writes_and_loses_nothing(tmp_path: Path) -> None:
    storage = await EmbeddedStorage.open(tmp_path, CLOCK, quota_bytes=300_000)
    acknowledged = []
    with pytest.raises(DiskFull) as caught:
        for i in range(200):
            acknowledged.append(await storage.put(f"/{i:03}", b"x" * 4000, expected=0))
    assert str(caught.value) == f"no space left to write {tmp_path}/store.db: free some, or raise the quota"
    assert 30 < len(acknowledged) < 90
    assert [item.revision for item in (await storage.list("/")).items] == acknowledged
    with pytest.raises(DiskFull):
        await storage.ready()
    await storage.close()
    async with opened(embedded_backend(tmp_path)) as storage_again:
        await storage_again.ready()
        assert [item.revision for item in (await storage_again.list("/")).items] == acknowledged
        assert await storage_again.put("/more", b"x" * 4000, expected=0) == acknowledged[-1] + 1


async def test_a_failed_commit_fails_all_that_was_queued_on_top_of_it(tmp_path: Path) -> None:
    storage = await EmbeddedStorage.open(tmp_path, CLOCK, quota_bytes=300_000)
    first = await storage.put("/a", b"1", expected=0)
    watch = storage.watch("", after=first)
    too_large = asyncio.ensure_future(storage.put("/a", b"x" * 400_000, expected=first))
    await asyncio.sleep(0)
    on_top = [
        asyncio.ensure_future(storage.put("/a", b"3", expected=first + 1)),
        asyncio.ensure_future(storage.put("/b", b"1", expected=0)),
        asyncio.ensure_future(storage.delete("/a", expected=None)),
    ]
    outcomes = await asyncio.gather(too_large, *on_top, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [DiskFull] * 4
    assert (await storage.get("/a")).item == KeyValue("/a", b"1", first)
    second = await storage.put("/a", b"2", expected=first)
    assert second == first + 1
    await storage.ready()
    assert [e.revision for e in await next_events(watch, 1)] == [second]
    await storage.close()


async def test_a_condition_that_fails_on_a_queued_write_waits_for_its_outcome(tmp_path: Path) -> None:
    storage = await EmbeddedStorage.open(tmp_path, CLOCK, quota_bytes=300_000)
    failing = asyncio.ensure_future(storage.put("/a", b"x" * 400_000, expected=0))
    await asyncio.sleep(0)
    create = asyncio.ensure_future(storage.put("/a", b"1", expected=0))
    with pytest.raises(DiskFull):
        await failing
    revision = await create  # what it would have collided with never happened
    creating = asyncio.ensure_future(storage.put("/b", b"1", expected=0))
    await asyncio.sleep(0)
    with pytest.raises(KeyExists):
        await storage.put("/b", b"2", expected=0)
    deleting = asyncio.ensure_future(storage.delete("/b", expected=await creating))
    await asyncio.sleep(0)
    with pytest.raises(KeyNotFound):
        await storage.delete("/b", expected=None)
    assert await deleting == revision + 2
    await storage.close()


async def test_compaction_makes_room_on_a_full_store(tmp_path: Path) -> None:
    storage = await EmbeddedStorage.open(tmp_path, CLOCK, quota_bytes=300_000)
    with pytest.raises(DiskFull):
        for _ in range(200):
            await storage.put("/a", b"x" * 4000, expected=None)
    await storage.compact(await storage.current_revision())
    async with asyncio.timeout(PATIENCE):
        await storage.cleaned()
    await storage.put("/b", b"x" * 4000, expected=0)
    await storage.ready()
    await storage.close()


async def test_a_cancelled_writer_does_not_disturb_the_others(tmp_path: Path) -> None:
    async with opened(embedded_backend(tmp_path)) as storage:
        tasks = [asyncio.ensure_future(storage.put(f"/{i}", b"", expected=0)) for i in range(10)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [i for i, outcome in enumerate(outcomes) if not isinstance(outcome, int)] == [3]
        assert (await storage.get("/3")).item is not None


async def test_closing_finishes_the_writes_that_are_queued(tmp_path: Path) -> None:
    storage = await EmbeddedStorage.open(tmp_path, CLOCK)
    tasks = [asyncio.ensure_future(storage.put(f"/{i:03}", b"", expected=0)) for i in range(300)]
    await asyncio.sleep(0)
    await storage.close()
    revisions = await asyncio.gather(*tasks)
    async with opened(embedded_backend(tmp_path)) as again:
        assert [item.revision for item in (await again.list("/")).items] == revisions


# Snapshots.


async def test_a_restored_snapshot_has_its_content_and_revisions_beyond_any_used(tmp_path: Path) -> None:
    storage = await EmbeddedStorage.open(tmp_path / "data", CLOCK)
    first = await storage.put("/a", b"1", expected=0)
    await storage.put("/leased", b"1", expected=0, ttl=3600.0)
    await storage.snapshot(tmp_path / "snapshot")
    later = await storage.put("/a", b"2", expected=first)
    await storage.close()
    assert stat.S_IMODE((tmp_path / "snapshot").stat().st_mode) == 0o600

    restored = await EmbeddedStorage.restore(tmp_path / "snapshot", tmp_path / "data", CLOCK)
    assert restored > later
    async with opened(embedded_backend(tmp_path / "data")) as again:
        assert await again.current_revision() == restored
        assert await again.compacted_revision() == restored
        assert (await again.get("/a")).item == KeyValue("/a", b"1", first)
        assert again.stats()["expiring"] == 1
        with pytest.raises(Compacted):
            await next_batch(again.watch("", after=later))
        watch = again.watch("", after=restored)
        assert await again.put("/a", b"3", expected=first) == restored + 1
        assert [(e.type, e.previous) for e in await next_events(watch, 1)] == [(PUT, b"1")]

    other = await EmbeddedStorage.restore(tmp_path / "snapshot", tmp_path / "other", CLOCK)
    assert other > restored + 1


async def test_a_snapshot_of_a_busy_store_is_a_moment_of_it(tmp_path: Path) -> None:
    storage = await EmbeddedStorage.open(tmp_path / "data", CLOCK)
    stop = False

    async def write(name: str) -> None:
        number = 0
        while not stop:
            number += 1
            await storage.put(f"/{name}", f"{number}".encode() * 500, expected=None)

    async def pairs() -> None:
        number = 0
        while not stop:
            number += 1
            await storage.put("/left", str(number).encode(), expected=None)
            await storage.put("/right", str(number).encode(), expected=None)

    writers = [asyncio.create_task(write(name)) for name in "abcdef"] + [asyncio.create_task(pairs())]
    await asyncio.sleep(0.1)
    for i in range(3):
        await storage.snapshot(tmp_path / f"snapshot{i}")
        await asyncio.sleep(0.02)
    stop = True
    await asyncio.gather(*writers)
    await storage.close()
    for i in range(3):
        await EmbeddedStorage.restore(tmp_path / f"snapshot{i}", tmp_path / f"data{i}", CLOCK)
        async with opened(embedded_backend(tmp_path / f"data{i}")) as again:
            left, right = (await again.get("/left")).item, (await again.get("/right")).item
            assert left is not None
            assert right is not None
            assert int(left.value) - int(right.value) in (0, 1)


async def test_a_broken_snapshot_is_refused_and_the_store_left_as_it_is(tmp_path: Path) -> None:
    items = await fill(tmp_path / "data")
    async with opened(embedded_backend(tmp_path / "data")) as storage:
        assert isinstance(storage, EmbeddedStorage)
        await storage.snapshot(tmp_path / "snapshot")
        with pytest.raises(DirectoryInUse):
            await EmbeddedStorage.restore(tmp_path / "snapshot", tmp_path / "data", CLOCK)
    content = bytearray((tmp_path / "snapshot").read_bytes())
    content[content.index(b"\x05" * 200) + 100] ^= 1
    (tmp_path / "snapshot").write_bytes(content)
    with pytest.raises(CorruptStore):
        await EmbeddedStorage.restore(tmp_path / "snapshot", tmp_path / "data", CLOCK)
    os.truncate(tmp_path / "snapshot", 5000)
    with pytest.raises(CorruptStore):
        await EmbeddedStorage.restore(tmp_path / "snapshot", tmp_path / "data", CLOCK)
    with pytest.raises(Unavailable, match="No such file"):
        await EmbeddedStorage.restore(tmp_path / "nothing", tmp_path / "data", CLOCK)
    async with opened(embedded_backend(tmp_path / "data")) as storage:
        assert (await storage.list("")).items == items
