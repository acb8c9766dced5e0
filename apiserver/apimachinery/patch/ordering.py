"""The order of a merged list, as upstream's strategicpatch finds it (normalizeElementOrder, mergeSortedSlice)."""

from __future__ import annotations

import json
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

KeyOf = Callable[[Any], Any]


class Positions:
    """Where each value stands first in a list. 1, 1.0 and true are three values."""

    __slots__ = ("_at", "_size")

    def __init__(self) -> None:
        self._at: dict[Any, int] = {}
        self._size = 0

    def append(self, value: Any) -> None:
        self._at.setdefault(_identity(value), self._size)
        self._size += 1

    def of(self, value: Any) -> int | None:
        return self._at.get(_identity(value))

    def has(self, value: Any) -> bool:
        return _identity(value) in self._at


def positions(values: list[Any]) -> Positions:
    found = Positions()
    for value in values:
        found.append(value)
    return found


def _identity(value: Any) -> Any:
    if isinstance(value, dict | list):
        return (type(value), json.dumps(value, sort_keys=True))
    return (type(value), value)


def in_order(items: list[Any], order: Positions, key_of: KeyOf) -> list[Any]:
    """`items` sorted by their place in `order`."""
    places = [order.of(key_of(item)) for item in items]
    if None not in places:
        ranked = sorted(range(len(items)), key=lambda i: places[i] or 0)
        return [items[i] for i in ranked]
    return _insertion_sorted(items, places)


def _insertion_sorted(items: list[Any], places: list[int | None]) -> list[Any]:
    """Items without a place count as smaller than whatever stands before them, as upstream's comparison says."""
    result: list[tuple[int | None, Any]] = []
    for place, item in zip(places, items, strict=True):
        at = len(result)
        while at and _less(place, result[at - 1][0]):
            at -= 1
        result.insert(at, (place, item))
    return [item for _, item in result]


def _less(a: int | None, b: int | None) -> bool:
    return a < b if a is not None and b is not None else True


def interleave(left: list[Any], right: list[Any], live: Positions, key_of: KeyOf) -> list[Any]:
    """Merge two ordered lists: an item of `left` goes before the first of `right` that stands behind it in `live`."""
    merged: list[Any] = []
    i = j = 0
    while i < len(left) and j < len(right):
        a, b = live.of(key_of(left[i])), live.of(key_of(right[j]))
        if a is not None and b is not None and a < b:
            merged.append(left[i])
            i += 1
        else:
            merged.append(right[j])
            j += 1
    return merged + left[i:] + right[j:]


def united(values: list[Any]) -> list[Any]:
    """Each scalar once. A repetition's place is taken by the last item, as upstream's deduplicateScalars does."""
    items = list(values)
    keys = [_identity(item) for item in items]
    places: dict[Any, list[int]] = {}
    for i, key in enumerate(keys):
        places.setdefault(key, []).append(i)
    for heap in places.values():
        heapify(heap)
    end = len(items)
    i = 0
    while i < end:
        heap = places[keys[i]]
        while heap:
            place = heappop(heap)
            if not i < place < end or keys[place] != keys[i]:
                continue  # moved or removed meanwhile
            end -= 1
            if place < end:
                items[place], keys[place] = items[end], keys[end]
                heappush(places[keys[place]], place)
        i += 1
    return items[:end]
