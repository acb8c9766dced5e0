"""Completion indexes as ordered intervals, in the text form of a Job's status: `0,2-5,7` (upstream indexed_job_utils.go)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Indexes:
    """A set of indexes: disjoint intervals (first, last) in order, with a gap between any two."""

    intervals: tuple[tuple[int, int], ...] = ()

    @classmethod
    def parse(cls, text: str, completions: int) -> Indexes:
        """Read the text form; what is no interval is left out, as is all from `completions` on."""
        found = []
        for part in text.split(",") if text else ():
            first, dash, last = part.partition("-")
            try:
                low = int(first)
                high = int(last) if dash else low
            except ValueError:
                continue
            if low >= completions:
                break
            found.append((low, min(high, completions - 1)))
        return cls(tuple(_joined(found)))

    def __str__(self) -> str:
        return ",".join(_interval_text(low, high) for low, high in self.intervals)

    def __len__(self) -> int:
        return sum(high - low + 1 for low, high in self.intervals)

    def __contains__(self, index: int) -> bool:
        return any(low <= index <= high for low, high in self.intervals)

    def __iter__(self) -> Iterator[int]:
        for low, high in self.intervals:
            yield from range(low, high + 1)

    def union(self, other: Indexes) -> Indexes:
        return Indexes(tuple(_joined(sorted(self.intervals + other.intervals))))

    def adding(self, indexes: Iterable[int]) -> Indexes:
        return self.union(Indexes(tuple((index, index) for index in sorted(set(indexes)))))

    def common(self, other: Indexes) -> int:
        """How many indexes are in both."""
        return sum(
            max(min(high, other_high) - max(low, other_low) + 1, 0)
            for low, high in self.intervals
            for other_low, other_high in other.intervals
        )

    def first_missing(self, count: int, completions: int) -> list[int]:
        """The lowest `count` indexes under `completions` that are not in the set."""
        missing: list[int] = []
        candidate = 0
        for low, high in (*self.intervals, (completions, completions)):
            while candidate < min(low, completions) and len(missing) < count:
                missing.append(candidate)
                candidate += 1
            candidate = max(candidate, high + 1)
        return missing


def _joined(intervals: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Intervals in order of their beginnings, with those that touch or overlap made one."""
    current: tuple[int, int] | None = None
    for low, high in intervals:
        if current is None:
            current = (low, high)
        elif low <= current[1] + 1:
            current = (current[0], max(current[1], high))
        else:
            yield current
            current = (low, high)
    if current is not None:
        yield current


def _interval_text(low: int, high: int) -> str:
    if low == high:
        return str(low)
    return f"{low},{high}" if high == low + 1 else f"{low}-{high}"
