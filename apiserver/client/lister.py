"""A Lister reads an informer's copy: by name, by namespace, by selector, by index. What it returns is shared: copy first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from apiserver.apimachinery import labels
from apiserver.apimachinery.objects import Object

Key = tuple[str, str]  # namespace ("" for cluster-scoped), name
IndexFunction = Callable[[Object], Iterable[str]]


def key_of(obj: Object) -> Key:
    meta = obj["metadata"]
    return meta.get("namespace") or "", meta["name"]


class Indexer:
    """Objects by key, and by the values that index functions give. Insertion order is kept: same seed, same history."""

    def __init__(self, indexes: dict[str, IndexFunction] | None = None) -> None:
        self._objects: dict[Key, Object] = {}
        self._functions: dict[str, IndexFunction] = {"namespace": lambda obj: (key_of(obj)[0],)}
        self._indexes: dict[str, dict[str, dict[Key, None]]] = {"namespace": {}}
        for name, function in (indexes or {}).items():
            self.add_index(name, function)

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Add an index at any time; one that is there under the name stays."""
        if name in self._functions:
            return
        self._functions[name] = function
        self._indexes[name] = {}
        for key, obj in self._objects.items():
            self._index(name, key, obj)

    def _index(self, name: str, key: Key, obj: Object) -> None:
        for value in self._functions[name](obj):
            self._indexes[name].setdefault(value, {})[key] = None

    def put(self, obj: Object) -> Object | None:
        """Store an object; returns what was there before."""
        key = key_of(obj)
        old = self.remove(key) if key in self._objects else None
        self._objects[key] = obj
        for name in self._functions:
            self._index(name, key, obj)
        return old

    def remove(self, key: Key) -> Object | None:
        old = self._objects.pop(key, None)
        if old is None:
            return None
        for name, function in self._functions.items():
            for value in function(old):
                members = self._indexes[name].get(value)
                if members is not None:
                    members.pop(key, None)
                    if not members:
                        del self._indexes[name][value]
        return old

    def get(self, key: Key) -> Object | None:
        return self._objects.get(key)

    def by_index(self, name: str, value: str) -> list[Object]:
        return [self._objects[key] for key in self._indexes[name].get(value, ())]

    def all_keys(self) -> list[Key]:
        return list(self._objects)

    def __iter__(self) -> Iterator[Object]:
        return iter(list(self._objects.values()))

    def __len__(self) -> int:
        return len(self._objects)


class Lister:
    """A read-only view of an Indexer."""

    def __init__(self, indexer: Indexer) -> None:
        self._indexer = indexer

    def get(self, namespace: str, name: str) -> Object | None:
        return self._indexer.get((namespace, name))

    def list(self, namespace: str = "", selector: labels.Selector | None = None) -> Sequence[Object]:
        found: Iterable[Object] = self._indexer.by_index("namespace", namespace) if namespace else self._indexer
        if selector is None:
            return [*found]
        return [obj for obj in found if selector.matches(obj["metadata"].get("labels") or {})]

    def by_index(self, name: str, value: str) -> Sequence[Object]:
        return self._indexer.by_index(name, value)

    def __len__(self) -> int:
        return len(self._indexer)
