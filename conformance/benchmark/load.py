"""Bench: one server under load, in closed loops over 32 connections that every row uses."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import Callable
from time import perf_counter
from typing import Any

from conformance.benchmark.connection import Connection, CountingWatch, open_watch, request_bytes, tls
from conformance.benchmark.measurement import Sample
from conformance.benchmark.objects import NAMESPACE, WRITES, pod, pods
from conformance.benchmark.process import cpu_seconds, resident_mb
from conformance.target import Target

CONNECTIONS = 32
LISTED = 2000
OPENED_AT_ONCE = 50  # watches

Make = Callable[[int], bytes]  # the request of a number


class Bench:
    """A server, its connections, and counters for what must be another thing each time."""

    def __init__(self, target: Target, connections: list[Connection], context: ssl.SSLContext) -> None:
        self.target = target
        self.connections = connections
        self._context = context
        self._counters: Counter[str] = Counter()
        self._filled = False

    @classmethod
    async def open(cls, target: Target) -> Bench:
        context = tls(target)
        bench = cls(target, [await Connection.open(target, context) for _ in range(CONNECTIONS)], context)
        for namespace in (NAMESPACE, WRITES):
            await bench.post("/api/v1/namespaces", {"metadata": {"name": namespace}})
            await bench.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "default"}})
        return bench

    async def close(self) -> None:
        for connection in self.connections:
            await connection.close()

    def next(self, counter: str) -> int:
        """0, 1, 2, … by counter."""
        self._counters[counter] += 1
        return self._counters[counter] - 1

    async def send(self, request: bytes) -> None:
        """One request; RuntimeError unless it succeeds."""
        _check(*await self.connections[0].send(request))

    async def post(self, path: str, obj: dict[str, Any]) -> None:
        """Make an object, if it is not there."""
        code, body = await self.connections[0].send(request_bytes("POST", path, json.dumps(obj).encode()))
        if code != 409:
            _check(code, body)

    async def fill(self) -> None:
        """The 2,000 pods that are listed, got and patched."""
        if not self._filled:
            self._filled = True
            await self.loop(LISTED, lambda i: request_bytes("POST", pods(NAMESPACE), json.dumps(pod(i)).encode()))

    async def loop(self, count: int, make: Make, *, serial: bool = False) -> Sample:
        """`count` requests, each connection sending its next as soon as it has an answer. Raises on an HTTP error."""
        times: list[float] = []
        numbers = iter(range(count))

        async def work(connection: Connection) -> None:
            for number in numbers:
                request = make(number)
                begun = perf_counter()
                code, body = await connection.send(request)
                times.append(perf_counter() - begun)
                _check(code, body)

        cpu, started = self.cpu(), perf_counter()
        await asyncio.gather(*(work(c) for c in (self.connections[:1] if serial else self.connections)))
        return Sample(count, perf_counter() - started, self.cpu() - cpu, times)

    def cpu(self) -> float:
        return cpu_seconds(self.target.pids)

    def memory(self) -> float:
        """MB, resident."""
        return resident_mb(self.target.pids)

    async def open_watches(self, count: int, path: str) -> list[CountingWatch]:
        watches: list[CountingWatch] = []
        for start in range(0, count, OPENED_AT_ONCE):
            size = min(OPENED_AT_ONCE, count - start)
            watches += await asyncio.gather(*(open_watch(self.target, self._context, path) for _ in range(size)))
        return watches

    async def close_watches(self, watches: list[CountingWatch]) -> None:
        for watch in watches:
            if watch.transport is not None:
                watch.transport.close()
        await asyncio.sleep(0.5)


def _check(code: int, body: bytes) -> None:
    if code >= 300:
        raise RuntimeError(f"{code} {body[:300]!r}")
