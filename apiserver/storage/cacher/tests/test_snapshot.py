"""The index and its snapshots against a dict."""

from __future__ import annotations

import random

import pytest

from apiserver.storage.cacher.record import Record
from apiserver.storage.cacher.snapshot import CHUNK, Index, Judge, Snapshot
from apiserver.storage.cacher.tests.small import make_record
from apiserver.storage.interface import KeyValue


def record(key: str, revision: int = 1) -> Record:
    return make_record(KeyValue(key, b"", revision))


def _has(pair: tuple[str, str]) -> Judge:
    return lambda labels: pair in labels


def content(snapshot: Snapshot) -> dict[str, int]:
    return {r.key: r.revision for r in snapshot}


@pytest.mark.parametrize("seed", range(8))
def test_index_and_snapshots_agree_with_a_dict(seed: int) -> None:
    rand = random.Random(seed)
    index, model = Index(), dict[str, int]()
    kept: list[tuple[Snapshot, dict[str, int]]] = []
    names = [f"/p/{rand.choice('abc')}/{n}" for n in range(700)]
    for revision in range(1, 2500):
        key = rand.choice(names)
        if rand.random() < 0.3:
            index.remove(key)
            model.pop(key, None)
        else:
            index.put(record(key, revision))
            model[key] = revision
        if rand.random() < 0.02:
            kept.append((index.snapshot(revision), dict(sorted(model.items()))))
    assert len(index) == len(model)
    for snapshot, expected in kept:
        assert list(content(snapshot).items()) == list(expected.items())
        assert len(snapshot) == len(expected)
        start = rand.choice(names)
        below = [k for k in expected if k.startswith("/p/b/") and k >= start]
        assert [r.key for r in snapshot.range("/p/b/", start)] == below
        assert snapshot.count("/p/b/", start) == len(below)
        page, behind = snapshot.page("/p/b/", start, 30)
        assert ([r.key for r in page], behind) == (below[:30], max(len(below) - 30, 0))
        found = snapshot.get(start)
        assert (found.revision if found else None) == expected.get(start)


def test_a_snapshot_keeps_what_it_showed_when_chunks_split_and_vanish() -> None:
    index = Index()
    keys = [f"/p/{n:05}" for n in range(CHUNK * 3)]
    index.load([record(key) for key in keys])
    before = index.snapshot(1)
    for key in keys:
        index.put(record(key + "x", 2))
        index.remove(key)
    assert list(content(before)) == keys
    assert list(content(index.snapshot(2))) == [key + "x" for key in keys]


def test_an_unchanged_index_gives_the_same_chunks_under_another_revision() -> None:
    index = Index()
    index.put(record("/p/a"))
    first, second = index.snapshot(5), index.snapshot(9)
    assert (first.revision, second.revision) == (5, 9)
    assert content(first) == content(second)


def test_keys_sort_by_code_point_and_a_prefix_is_exact() -> None:
    index = Index()
    for key in ("/p/a/x", "/p/a-b/x", "/p/a", "/p/ab/x"):
        index.put(record(key))
    snapshot = index.snapshot(1)
    assert [r.key for r in snapshot] == ["/p/a", "/p/a-b/x", "/p/a/x", "/p/ab/x"]
    assert [r.key for r in snapshot.range("/p/a/")] == ["/p/a/x"]


def test_an_empty_index_answers() -> None:
    snapshot = Index().snapshot(1)
    assert snapshot.get("a") is None
    assert snapshot.range("/") == []
    assert len(snapshot) == 0


@pytest.mark.parametrize("seed", range(4))
def test_records_chosen_by_label_are_those_a_scan_finds_however_often_it_is_asked_between_writes(seed: int) -> None:
    rand = random.Random(seed)
    shared = [(), (("app", "a"),), (("app", "b"),), (("app", "b"), ("tier", "x"))]
    names = [f"/p/{rand.choice('abc')}/{n:04}" for n in range(2000)]
    index = Index()
    index.load([record(key)._replace(labels=rand.choice(shared)) for key in sorted(names)])
    for revision in range(2, 60):
        key = rand.choice(names)
        index.put(record(key, revision)._replace(labels=rand.choice(shared)))
        if rand.random() < 0.3:
            index.remove(rand.choice(names))
        snapshot = index.snapshot(revision)
        for pair in (("app", "a"), ("app", "b"), ("app", "none")) * rand.choice((1, 2)):
            for prefix, start in (("/p/", ""), ("/p/b/", ""), ("/p/", rand.choice(names))):
                expected = [r for r in snapshot.range(prefix, start) if pair in r.labels]
                assert snapshot.labelled(prefix, start, _has(pair)) == expected
