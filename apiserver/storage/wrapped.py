"""A Storage over another one: what a wrapper does not do otherwise is done below."""

from __future__ import annotations

from typing import Any

from apiserver.storage.interface import GetResult, ListResult, Storage, Watch


class WrappedStorage:
    """Leaves every call to the storage below. A wrapper overrides what it changes, and calls `super()` for the rest."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def get(self, key: str) -> GetResult:
        return await self._storage.get(key)

    async def list(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> ListResult:
        return await self._storage.list(prefix, start=start, limit=limit, revision=revision)

    async def put(self, key: str, value: bytes, *, expected: int | None, ttl: float | None = None) -> int:
        return await self._storage.put(key, value, expected=expected, ttl=ttl)

    async def delete(self, key: str, *, expected: int | None) -> int:
        return await self._storage.delete(key, expected=expected)

    def watch(self, prefix: str, *, after: int) -> Watch:
        return self._storage.watch(prefix, after=after)

    async def current_revision(self) -> int:
        return await self._storage.current_revision()

    async def compacted_revision(self) -> int:
        return await self._storage.compacted_revision()

    async def compact(self, revision: int) -> None:
        await self._storage.compact(revision)

    async def ready(self) -> None:
        await self._storage.ready()

    def stats(self) -> dict[str, Any]:
        return self._storage.stats()

    async def close(self) -> None:
        await self._storage.close()
