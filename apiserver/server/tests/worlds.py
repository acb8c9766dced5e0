"""A whole API server in virtual time: memory store, loopback transport, a seed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from apiserver.apimachinery.clock import LoopClock
from apiserver.apimachinery.rand import Random
from apiserver.client.transport import LoopbackResponse, LoopbackTransport
from apiserver.server.options import Options
from apiserver.server.server import APIServer
from apiserver.storage.memory import MemoryStorage

JSON = ("Content-Type", "application/json")


class World:
    """A running server and a client of it."""

    def __init__(self, server: APIServer, storage: MemoryStorage) -> None:
        self.server = server
        self.storage = storage
        self.transport = LoopbackTransport(server.handler)

    async def send(self, method: str, target: str, body: Any = None, **headers: str) -> LoopbackResponse:
        data = b"" if body is None else json.dumps(body).encode()
        pairs = [*((name.replace("_", "-"), value) for name, value in headers.items()), JSON]  # the first one counts
        return await self.transport.send(method, target, headers=pairs, body=data)

    async def ask(self, method: str, target: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status code and decoded body."""
        response = await self.send(method, target, body, **headers)
        data = await response.read()
        return response.status, json.loads(data) if data else None

    async def history(self) -> list[str]:
        """Every event of the store since it began, as text."""
        lines: list[str] = []
        watch = self.storage.watch("/registry/", after=1)
        last = await self.storage.current_revision()
        async for batch in watch:
            lines += [f"{e.revision} {e.type} {e.key} {e.value!r}" for e in batch]
            if batch[-1].revision >= last:
                break
        await watch.aclose()
        return lines


@asynccontextmanager
async def world(seed: int = 1, options: Mapping[str, Any] | None = None) -> AsyncIterator[World]:
    """A ready server; run it inside `run_virtual`."""
    clock = LoopClock(asyncio.get_running_loop())
    storage = MemoryStorage(clock)
    given = {"authorization_mode": ("Node", "RBAC"), "advertise_address": "10.0.0.1", **(options or {})}
    server = APIServer(Options(**given), storage, clock=clock, rand=Random(seed))
    await server.start()
    await server.wait_ready()
    made = World(server, storage)
    try:
        yield made
    finally:
        await made.transport.aclose()
        await server.stop()
        await storage.close()
