"""Listers fed from the cachers: no second copy of the cluster, only the few objects that were asked for lately.

What they return is shared. A resource that is replaced at run time keeps its lister, and the callbacks on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object
from apiserver.registry.store import Store
from apiserver.storage.cacher.record import Change, Record
from apiserver.storage.cacher.snapshot import Snapshot

REMEMBERED = 2048  # decoded objects kept per resource

OnChange = Callable[[Object | None, Object | None], None]


class CachedLister:
    """A Lister over one resource's Cacher."""

    def __init__(self, store: Store) -> None:
        self._objects: dict[str, tuple[int, Object]] = {}
        self._callbacks: list[OnChange] = []
        self._store = store
        self._ear = _Ear(self)
        self._unsubscribe = store.cacher.subscribe(self._ear)

    def move(self, store: Store) -> None:
        """Go on over another store of the same resource."""
        self._unsubscribe()
        self._objects.clear()
        self._store = store
        self._unsubscribe = store.cacher.subscribe(self._ear)

    @property
    def store(self) -> Store:
        return self._store

    def get(self, namespace: str, name: str) -> Object | None:
        record = self._store.cacher.get(self._store.resource.key(namespace, name))
        return None if record is None else self._object(record)

    def list(self, namespace: str = "") -> Sequence[Object]:
        prefix = f"{self._store.resource.prefix}/"
        if namespace:
            prefix += f"{namespace}/"
        return [self._object(record) for record in self._store.cacher.snapshot().range(prefix)]

    def on_change(self, callback: OnChange) -> None:
        self._callbacks.append(callback)

    def changed(self, record: Record | None, previous: Record | None) -> None:
        """One object is another now."""
        if not self._callbacks:
            return
        old = None if previous is None else self._object(previous)
        if record is None:
            new = None
            if previous is not None:
                self._objects.pop(previous.key, None)
        else:
            new = self._object(record)
        for callback in self._callbacks:
            callback(old, new)

    def _object(self, record: Record) -> Object:
        known = self._objects.get(record.key)
        if known is not None and known[0] == record.revision:
            return known[1]
        obj = self._store.object(record)
        if len(self._objects) >= REMEMBERED:
            del self._objects[next(iter(self._objects))]
        self._objects[record.key] = (record.revision, obj)
        return obj


class _Ear:
    """Hears the Cacher for a lister."""

    def __init__(self, lister: CachedLister) -> None:
        self._lister = lister

    def on_change(self, change: Change) -> None:
        self._lister.changed(change.record, change.previous)

    def on_reset(self, before: Snapshot, after: Snapshot | None) -> None:
        """Tell the differences; while there is no state, the last one stands."""
        if after is None:
            return
        for record in after:
            previous = before.get(record.key)
            if previous is None or previous.revision != record.revision:
                self._lister.changed(record, previous)
        for previous in before:
            if after.get(previous.key) is None:
                self._lister.changed(None, previous)


class CachedListers:
    """Listers by resource, made when first asked for."""

    def __init__(self, store: Callable[[GroupResource], Store | None]) -> None:
        self._store = store  # raises KeyError for what is not installed
        self._listers: dict[GroupResource, CachedLister] = {}

    def __call__(self, group_resource: GroupResource) -> CachedLister:
        found = self._listers.get(group_resource)
        if found is None:
            store = self._store(group_resource)
            if store is None:
                raise KeyError(group_resource)
            found = self._listers[group_resource] = CachedLister(store)
        return found

    def follow(self) -> None:
        """The table of resources has changed: move what was replaced, forget what is gone."""
        for group_resource, lister in list(self._listers.items()):
            try:
                store = self._store(group_resource)
            except KeyError:
                store = None
            if store is None:
                del self._listers[group_resource]
            elif store is not lister.store:
                lister.move(store)
