"""Makes and ends the Stores of resources: one Cacher per storage prefix, which may be shared (Events, in two groups)."""

from __future__ import annotations

from apiserver.registry.records import record_maker
from apiserver.registry.resource import Resource
from apiserver.registry.store import Store
from apiserver.storage.cacher.cachers import Cachers
from apiserver.storage.interface import Storage


class Stores:
    """What the installer asks for stores. A resource with a `rest` of its own has none."""

    def __init__(self, storage: Storage, cachers: Cachers) -> None:
        self._storage = storage
        self._cachers = cachers
        self._users: dict[str, int] = {}  # prefix → stores over it

    def make(self, resource: Resource) -> Store | None:
        if resource.rest is not None:
            return None
        prefix = resource.prefix
        self._users[prefix] = self._users.get(prefix, 0) + 1
        return Store(resource, self._storage, self._cachers.cacher(prefix, record_maker(resource)))

    def end(self, store: Store | None) -> None:
        """End a store's watches; the Cacher goes with its last user."""
        if store is None:
            return
        store.close()
        prefix = store.resource.prefix
        self._users[prefix] -= 1
        if not self._users[prefix]:
            del self._users[prefix]
            self._cachers.remove(prefix)
