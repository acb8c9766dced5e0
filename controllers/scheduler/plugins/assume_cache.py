"""Objects as informers show them, or as this scheduler has decided they will be, until the informer shows something newer.

Mirrors upstream plugins/volumebinding/passive_assume_cache.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apiserver.apimachinery.objects import Object
from apiserver.client.informer import Handler, Informer
from apiserver.client.lister import Key, key_of


class AssumeCache:
    """Over one informer. An assumed object keeps the resourceVersion it was made from."""

    def __init__(self, informer: Informer) -> None:
        self._lister = informer.lister
        self._assumed: dict[Key, Object] = {}
        informer.add_handler(Handler(updated=lambda old, new: self._seen(new), deleted=self.restore))

    def _seen(self, obj: Object) -> None:
        """The informer shows something: what was assumed of an older state is forgotten, asked for again or not."""
        assumed = self._assumed.get(key_of(obj))
        if assumed is not None and _revision(obj) > _revision(assumed):
            self.restore(obj)

    def get(self, namespace: str, name: str) -> Object | None:
        return self.api(namespace, name) if not self._assumed else self._current((namespace, name))

    def api(self, namespace: str, name: str) -> Object | None:
        """As the informer shows it, whatever is assumed."""
        return self._lister.get(namespace, name)

    def _current(self, key: Key) -> Object | None:
        return self._assumed.get(key) or self._lister.get(*key)

    def overlay(self, found: Iterable[Object]) -> Iterator[Object]:
        """The same objects, as they are assumed to be."""
        for obj in found:
            current = self._current(key_of(obj)) if self._assumed else obj
            if current is not None:
                yield current

    def assume(self, obj: Object) -> None:
        """Raises ValueError when the informer has moved on from what `obj` was made of."""
        key = key_of(obj)
        seen = self._current(key)
        if seen is None or _revision(seen) != _revision(obj):
            raise ValueError(f"{key[1]} is out of date: it cannot be assumed")
        self._assumed[key] = obj

    def restore(self, obj: Object) -> None:
        """Believe the informer again."""
        self._assumed.pop(key_of(obj), None)


def _revision(obj: Object) -> int:
    return int(obj["metadata"].get("resourceVersion") or 0)
