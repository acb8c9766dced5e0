"""Watches: one event to many, and many that wait."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from conformance.benchmark.connection import CountingWatch, request_bytes
from conformance.benchmark.load import Bench
from conformance.benchmark.measurement import Sample
from conformance.benchmark.objects import NAMESPACE, pod_name, pods
from conformance.benchmark.rows.row import Row, Slice

WATCHED = f"{pods(NAMESPACE)}/{pod_name(0)}"
WATCH = f"{pods(NAMESPACE)}?watch=1&resourceVersion=0&fieldSelector=metadata.name%3D{pod_name(0)}"
IDLE = "/api/v1/namespaces/kube-public/configmaps?watch=1&allowWatchBookmarks=1"
IDLE += "&sendInitialEvents=1&resourceVersionMatch=NotOlderThan"
DELIVERED_WITHIN = 60.0


@dataclass(frozen=True, kw_only=True)
class FanOut:
    """Serial patches of one pod while many look on; an operation is one event at one watcher."""

    watchers: int
    writes: int  # in a slice
    goal: float = 2.5
    slices: int = 4
    unit: str = ""

    @property
    def name(self) -> str:
        return f"fan-out to {self.watchers:,}"

    @asynccontextmanager
    async def opened(self, bench: Bench) -> AsyncIterator[Slice]:
        await bench.fill()
        watches = await bench.open_watches(self.watchers, WATCH)
        await asyncio.sleep(1)  # the initial events are not what is measured

        async def slice_() -> Sample:
            return await self._slice(bench, watches)

        try:
            await self._slice(bench, watches)  # warm
            yield slice_
        finally:
            await bench.close_watches(watches)

    async def _slice(self, bench: Bench, watches: list[CountingWatch]) -> Sample:
        for watch in watches:
            watch.events = 0
        clock = asyncio.get_running_loop().time
        cpu, started = bench.cpu(), clock()
        for _ in range(self.writes):
            body = json.dumps({"metadata": {"labels": {"n": str(bench.next("labelled"))}}}).encode()
            await bench.send(request_bytes("PATCH", WATCHED, body, {"Content-Type": "application/merge-patch+json"}))
        await self._delivered(watches)
        return Sample(len(watches) * self.writes, max(w.last for w in watches) - started, bench.cpu() - cpu)

    async def _delivered(self, watches: list[CountingWatch]) -> None:
        """Events are counted where they arrive; nobody signals."""
        wanted = len(watches) * self.writes
        async with asyncio.timeout(DELIVERED_WITHIN):
            while sum(watch.events for watch in watches) < wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@dataclass(frozen=True, kw_only=True)
class IdleWatches:
    """What a watch costs on which nothing happens: kB of memory each, its TLS connection included."""

    count: int
    goal: float = 0.0
    slices: int = 1
    unit: str = "kB each"

    @property
    def name(self) -> str:
        return f"{self.count:,} idle watches"

    @asynccontextmanager
    async def opened(self, bench: Bench) -> AsyncIterator[Slice]:
        async def open_all() -> float:
            before = bench.memory()
            watches = await bench.open_watches(self.count, IDLE)
            grown = bench.memory() - before
            await bench.close_watches(watches)
            return grown * 1024 / self.count

        yield open_all


ROWS: tuple[Row, ...] = (
    FanOut(watchers=200, writes=75),
    FanOut(watchers=1000, writes=15),
    IdleWatches(count=5000),
)
