"""A sorted set of records that gives out immutable snapshots for next to nothing: chunks, copied on the next write.

A snapshot shares its chunks with the living index. Taking one costs a tuple of some references; the first write to a chunk
after that copies this chunk of at most a few hundred references.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from apiserver.storage.cacher.record import Record

CHUNK = 512  # a chunk splits in two above this: copying one costs about a microsecond

Judge = Callable[[tuple[tuple[str, str], ...]], bool]

HIGHEST = "\U0010ffff"  # behind every key that begins with what stands before it


class _Chunk:
    """Some neighbouring records: two parallel sorted lists. `epoch` tells whether a snapshot may share it."""

    __slots__ = ("_groups", "_judged", "epoch", "keys", "records")

    def __init__(self, keys: list[str], records: list[Record], epoch: int) -> None:
        self.keys = keys
        self.records = records
        self.epoch = epoch
        self._judged = False  # by their labels, since the last write
        self._groups: list[list[int]] | None = None  # positions of the records that share a set of labels

    def changed(self) -> None:
        self._judged = False
        self._groups = None

    def labelled(self, judge: Judge) -> list[Record]:
        """The records whose labels pass. What is asked twice between two writes is grouped: most objects share their
        labels with others, so that judging groups costs little where judging records costs 0.1 µs for each."""
        records = self.records
        if self._groups is None:
            if not self._judged:
                self._judged = True
                return [record for record in records if judge(record.labels)]
            self._groups = _grouped(records)
        passed = [group for group in self._groups if judge(records[group[0]].labels)]
        if len(passed) < 2:
            return [records[i] for i in passed[0]] if passed else []
        return [records[i] for i in sorted(chain.from_iterable(passed))]


def _grouped(records: Sequence[Record]) -> list[list[int]]:
    groups: dict[int, list[int]] = {}  # by identity: the records keep their labels alive
    for i, record in enumerate(records):
        shared = id(record.labels)
        group = groups.get(shared)
        if group is None:
            groups[shared] = [i]
        else:
            group.append(i)
    return list(groups.values())


class Snapshot:
    """All records of a prefix as of one moment, sorted by key. Immutable."""

    __slots__ = ("_chunks", "_firsts", "revision")

    def __init__(self, chunks: Sequence[_Chunk], firsts: Sequence[str], revision: int) -> None:
        self._chunks = chunks
        self._firsts = firsts
        self.revision = revision

    def __len__(self) -> int:
        return sum(len(chunk.keys) for chunk in self._chunks)

    def __iter__(self) -> Iterator[Record]:
        for chunk in self._chunks:
            yield from chunk.records

    def get(self, key: str) -> Record | None:
        position = bisect_right(self._firsts, key) - 1
        if position < 0:
            return None
        chunk = self._chunks[position]
        at = bisect_left(chunk.keys, key)
        return chunk.records[at] if at < len(chunk.keys) and chunk.keys[at] == key else None

    def slices(self, start: str, end: str) -> Iterator[list[Record]]:
        """The records with start <= key < end, in order, some hundred at a time."""
        for chunk, low, high in self._parts(start, end):
            yield chunk.records if low == 0 and high == len(chunk.keys) else chunk.records[low:high]

    def _parts(self, start: str, end: str) -> Iterator[tuple[_Chunk, int, int]]:
        """The chunks that hold such records, and from where to where."""
        position = max(bisect_right(self._firsts, start) - 1, 0)
        for chunk in self._chunks[position:]:
            keys = chunk.keys
            if keys[0] >= end:
                return
            low = bisect_left(keys, start) if keys[0] < start else 0
            high = len(keys) if keys[-1] < end else bisect_left(keys, end)
            if low < high:
                yield chunk, low, high

    def labelled(self, prefix: str, start: str, judge: Judge) -> list[Record]:
        """The records of that `range` whose labels pass."""
        found: list[Record] = []
        for chunk, low, high in self._parts(max(prefix, start), prefix + HIGHEST):
            if low == 0 and high == len(chunk.keys):
                found += chunk.labelled(judge)
            else:
                found += [record for record in chunk.records[low:high] if judge(record.labels)]
        return found

    def range(self, prefix: str, start: str = "") -> list[Record]:
        """The records whose key begins with `prefix` and is >= `start`."""
        found: list[Record] = []
        for part in self.slices(max(prefix, start), prefix + HIGHEST):
            found += part
        return found

    def page(self, prefix: str, start: str, limit: int) -> tuple[list[Record], int]:
        """The first `limit` records of that `range`, and how many there are behind them."""
        found: list[Record] = []
        behind = 0
        for part in self.slices(max(prefix, start), prefix + HIGHEST):
            wanted = limit - len(found)
            if wanted >= len(part):
                found += part
            else:
                found += part[:wanted]
                behind += len(part) - wanted
        return found, behind

    def count(self, prefix: str, start: str = "") -> int:
        """How many records `range` would give."""
        return sum(len(part) for part in self.slices(max(prefix, start), prefix + HIGHEST))


class Index:
    """The living, sorted set of records behind a Cacher."""

    def __init__(self) -> None:
        self._chunks: list[_Chunk] = []
        self._firsts: list[str] = []
        self._epoch = 0
        self._snapshot: Snapshot | None = None
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def snapshot(self, revision: int) -> Snapshot:
        """All of it as it stands now, said to be of `revision`."""
        last = self._snapshot
        if last is None:
            self._epoch += 1
            last = self._snapshot = Snapshot(tuple(self._chunks), tuple(self._firsts), revision)
        elif last.revision != revision:
            last = self._snapshot = Snapshot(last._chunks, last._firsts, revision)
        return last

    def load(self, records: Sequence[Record]) -> None:
        """Replace everything by `records`, which are sorted by key."""
        self._snapshot = None
        half = CHUNK // 2
        parts = [list(records[i : i + half]) for i in range(0, len(records), half)]
        self._chunks = [_Chunk([r.key for r in part], part, self._epoch) for part in parts]
        self._firsts = [chunk.keys[0] for chunk in self._chunks]
        self._count = len(records)

    def put(self, record: Record) -> None:
        """Add the record or replace the one of the same key."""
        self._snapshot = None
        key = record.key
        if not self._chunks:
            self._chunks.append(_Chunk([key], [record], self._epoch))
            self._firsts.append(key)
            self._count = 1
            return
        position = max(bisect_right(self._firsts, key) - 1, 0)
        chunk = self._own(position)
        at = bisect_left(chunk.keys, key)
        chunk.changed()
        if at < len(chunk.keys) and chunk.keys[at] == key:
            chunk.records[at] = record
            return
        chunk.keys.insert(at, key)
        chunk.records.insert(at, record)
        self._count += 1
        if at == 0:
            self._firsts[position] = key
        if len(chunk.keys) > CHUNK:
            self._split(position)

    def remove(self, key: str) -> None:
        """Drop the record of this key, if it is there."""
        position = bisect_right(self._firsts, key) - 1
        if position < 0:
            return
        found = bisect_left(self._chunks[position].keys, key)
        if found >= len(self._chunks[position].keys) or self._chunks[position].keys[found] != key:
            return
        self._snapshot = None
        self._count -= 1
        chunk = self._own(position)
        chunk.changed()
        del chunk.keys[found], chunk.records[found]
        if not chunk.keys:
            del self._chunks[position], self._firsts[position]
        elif found == 0:
            self._firsts[position] = chunk.keys[0]

    def _own(self, position: int) -> _Chunk:
        """The chunk, copied first where a snapshot shares it."""
        chunk = self._chunks[position]
        if chunk.epoch != self._epoch:
            chunk = self._chunks[position] = _Chunk(chunk.keys.copy(), chunk.records.copy(), self._epoch)
        return chunk

    def _split(self, position: int) -> None:
        chunk = self._chunks[position]
        half = len(chunk.keys) // 2
        right = _Chunk(chunk.keys[half:], chunk.records[half:], self._epoch)
        del chunk.keys[half:], chunk.records[half:]
        self._chunks.insert(position + 1, right)
        self._firsts.insert(position + 1, right.keys[0])
