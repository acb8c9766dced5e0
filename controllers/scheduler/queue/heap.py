"""A priority queue of keyed items: what is replaced or removed leaves a dead entry that is thrown away when it surfaces."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterator
from itertools import count
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MIN_GARBAGE = 64  # dead entries that are not worth a rebuild


class Heap(Generic[K, V]):
    """Items by key, the one with the smallest `order(item)` first; equal ones in the order they came."""

    def __init__(self, order: Callable[[V], Any]) -> None:
        self._order = order
        self._heap: list[tuple[Any, int, K]] = []
        self._items: dict[K, tuple[int, V]] = {}
        self._serial = count()

    def put(self, key: K, item: V) -> None:
        """Add an item, or replace the one with its key."""
        serial = next(self._serial)
        self._items[key] = (serial, item)
        heapq.heappush(self._heap, (self._order(item), serial, key))
        if len(self._heap) > 2 * len(self._items) + MIN_GARBAGE:
            self._heap = [entry for entry in self._heap if self._alive(entry)]
            heapq.heapify(self._heap)

    def _alive(self, entry: tuple[Any, int, K]) -> bool:
        held = self._items.get(entry[2])
        return held is not None and held[0] == entry[1]

    def remove(self, key: K) -> V | None:
        held = self._items.pop(key, None)
        return held[1] if held is not None else None

    def peek(self) -> V | None:
        while self._heap:
            if self._alive(self._heap[0]):
                return self._items[self._heap[0][2]][1]
            heapq.heappop(self._heap)
        return None

    def pop(self) -> V | None:
        item = self.peek()
        if item is not None:
            del self._items[heapq.heappop(self._heap)[2]]
        return item

    def get(self, key: K) -> V | None:
        held = self._items.get(key)
        return held[1] if held is not None else None

    def __contains__(self, key: K) -> bool:
        return key in self._items

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[V]:
        return iter([item for _, item in self._items.values()])
