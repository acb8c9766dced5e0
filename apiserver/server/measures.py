"""Figures of a whole server for /metrics: what storage is asked and how long it takes, what the cachers hold."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from apiserver.endpoints.metrics import Gauge, Histogram, Labels, Metrics
from apiserver.storage.interface import GetResult, ListResult, Storage
from apiserver.storage.wrapped import WrappedStorage

if TYPE_CHECKING:
    from apiserver.server.server import APIServer

# upstream storage/etcd3/metrics/metrics.go
BUCKETS = (
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
)  # fmt: skip


class MeasuredStorage(WrappedStorage):
    """A Storage that takes the time of every call; everything else it leaves to the one below."""

    def __init__(self, storage: Storage, metrics: Metrics) -> None:
        super().__init__(storage)
        self._durations = Histogram(
            "etcd_request_duration_seconds",
            "[ALPHA] Etcd request latency in seconds for each operation and object type.",
            BUCKETS,
            ("group", "operation", "resource"),
        )
        metrics.add(self._durations)

    def _took(self, operation: str, key: str, started: float) -> None:
        seconds = asyncio.get_running_loop().time() - started
        self._durations.observe(seconds, ("", operation, resource_of(key)))

    async def get(self, key: str) -> GetResult:
        started = asyncio.get_running_loop().time()
        try:
            return await self._storage.get(key)
        finally:
            self._took("get", key, started)

    async def list(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> ListResult:
        started = asyncio.get_running_loop().time()
        try:
            return await self._storage.list(prefix, start=start, limit=limit, revision=revision)
        finally:
            self._took("list", prefix, started)

    async def put(self, key: str, value: bytes, *, expected: int | None, ttl: float | None = None) -> int:
        started = asyncio.get_running_loop().time()
        try:
            return await self._storage.put(key, value, expected=expected, ttl=ttl)
        finally:
            self._took("create" if expected == 0 else "update", key, started)

    async def delete(self, key: str, *, expected: int | None) -> int:
        started = asyncio.get_running_loop().time()
        try:
            return await self._storage.delete(key, expected=expected)
        finally:
            self._took("delete", key, started)


def resource_of(key: str) -> str:
    """The second step of a key: `/registry/pods/default/web` is about pods."""
    parts = key.split("/", 3)
    return parts[2] if len(parts) > 2 else ""


def add_server_gauges(server: APIServer) -> None:
    """What can be asked when somebody looks."""

    def objects() -> Iterator[tuple[Labels, float]]:
        for installed in server.installer:
            if installed.store is not None:
                resource = installed.resource
                yield (resource.group, resource.plural), float(len(installed.store.cacher))

    def revisions() -> Iterator[tuple[Labels, float]]:
        yield (), float(server.cachers.revision)

    def storage() -> Iterator[tuple[Labels, float]]:
        for name, value in sorted(server.storage.stats().items()):
            if isinstance(value, int | float):
                yield (name,), float(value)

    metrics = server.metrics
    name = "apiserver_resource_objects"
    metrics.add(Gauge(name, "[STABLE] Number of stored objects, by resource.", objects, ("group", "resource")))
    metrics.add(Gauge("pocketkube_cacher_revision", "The revision up to which memory has seen storage.", revisions))
    metrics.add(Gauge("pocketkube_storage", "What the storage backend says of itself.", storage, ("figure",)))
