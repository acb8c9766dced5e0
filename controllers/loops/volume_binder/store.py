"""Claims and volumes as they were last written or seen, whichever is newer; the binder's writes go through here."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.objects import Object
from apiserver.client.lister import Key, Lister, key_of
from apiserver.client.resources import ResourceClient


def _revision(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])


class Newest:
    """One resource. The binder must see its own writes at once: else it would give one volume to two claims."""

    def __init__(self, client: ResourceClient, lister: Lister, kind: str) -> None:
        self.client = client
        self.lister = lister
        self.kind = kind
        self._written: dict[Key, Object] = {}

    def get(self, namespace: str, name: str) -> Object | None:
        seen, written = self.lister.get(namespace, name), self._written.get((namespace, name))
        if seen is None or written is None or _revision(written) <= _revision(seen):
            self._written.pop((namespace, name), None)
            return self._whole(seen) if seen is not None else None
        return written

    def list(self) -> list[Object]:
        found = (self.get(*key_of(obj)) for obj in self.lister.list())
        return [obj for obj in found if obj is not None]

    def _whole(self, obj: Object) -> Object:
        return {**obj, "apiVersion": "v1", "kind": self.kind}

    def _keep(self, obj: Object) -> Object:
        whole = self._written[key_of(obj)] = self._whole(obj)
        return whole

    async def create(self, obj: Object) -> Object:
        return self._keep(await self.client.create(obj))

    async def update(self, obj: Object) -> Object:
        return self._keep(await self.client.update(obj))

    async def update_status(self, obj: Object, **changes: Any) -> Object:
        """Write a status with some fields changed, None: without them; nothing is written where nothing differs."""
        status = {**(obj.get("status") or {}), **changes}
        status = {k: v for k, v in status.items() if v is not None}
        if status == (obj.get("status") or {}):
            return obj
        return self._keep(await self.client.update_status({**obj, "status": status}))
