"""Two ways to a running server, for tests that promise the same over both: the loopback transport and real sockets."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from apiserver.apimachinery.clock import SystemClock
from apiserver.apimachinery.rand import Random
from apiserver.client.transport import LoopbackTransport
from apiserver.server.front import Front
from apiserver.server.options import Options
from apiserver.server.server import APIServer
from apiserver.server.tests.client import Client
from apiserver.storage.memory import MemoryStorage

TOO_MANY_REQUESTS = 429  # what a watch of a resource gets while its storage is being read, as upstream
RETRY = 0.01
TOKEN = "a-token"


@dataclass
class Answered:
    """One answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class EventStream(Protocol):
    """A watch that stands."""

    async def next(self) -> dict[str, Any] | None:
        """The next event, None when the stream has ended."""

    async def close(self) -> None: ...


class Wire(Protocol):
    """How a test reaches the server."""

    async def ask(self, method: str, target: str, body: Any = None, **headers: str) -> Answered: ...

    async def watch(self, target: str) -> EventStream:
        """Asks again, as clients do, where the resource is still being loaded."""


def _pairs(headers: dict[str, str]) -> list[tuple[str, str]]:
    return [(name.replace("_", "-"), value) for name, value in headers.items()]


def _bytes(body: Any) -> bytes:
    return b"" if body is None else json.dumps(body).encode()


class _LoopbackStream:
    def __init__(self, chunks: AsyncIterator[bytes], close: Any) -> None:
        self._chunks = chunks
        self.close = close

    async def next(self) -> dict[str, Any] | None:
        async for chunk in self._chunks:
            event: dict[str, Any] = json.loads(chunk)
            return event
        return None


class LoopbackWire:
    def __init__(self, transport: LoopbackTransport) -> None:
        self._transport = transport

    async def ask(self, method: str, target: str, body: Any = None, **headers: str) -> Answered:
        pairs = [*_pairs(headers), ("Content-Type", "application/json")]  # the first one counts
        response = await self._transport.send(method, target, headers=pairs, body=_bytes(body))
        found = {name.lower(): value for name, value in response.headers.items()}
        return Answered(response.status, found, await response.read())

    async def watch(self, target: str) -> EventStream:
        response = await self._transport.send("GET", target)
        if response.status == TOO_MANY_REQUESTS:
            await asyncio.sleep(RETRY)
            return await self.watch(target)
        assert response.status == 200, await response.read()
        return _LoopbackStream(response.chunks(), response.aclose)


class _SocketStream:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._rest = b""

    async def next(self) -> dict[str, Any] | None:
        while b"\n" not in self._rest:
            chunk = await self._client.chunk()
            if chunk is None:
                return None
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        event: dict[str, Any] = json.loads(line)
        return event

    async def close(self) -> None:
        await self._client.close()


class SocketWire:
    """A connection for each request: what is promised must not hang on one."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def ask(self, method: str, target: str, body: Any = None, **headers: str) -> Answered:
        given = {"Content_Type": "application/json", "Authorization": f"Bearer {TOKEN}", **headers}
        client = await Client.open(self._port)
        try:
            lines = "".join(f"{name}: {value}\r\n" for name, value in _pairs(given))
            answer = await client.ask(method, target, lines, _bytes(body))
            return Answered(answer.status, answer.headers, answer.body)
        finally:
            await client.close()

    async def watch(self, target: str) -> EventStream:
        client = await Client.open(self._port)
        await client.send(f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
        status, _ = await client.head()
        if status == TOO_MANY_REQUESTS:
            await client.close()
            await asyncio.sleep(RETRY)
            return await self.watch(target)
        assert status == 200
        return _SocketStream(client)


@asynccontextmanager
async def socket_world() -> AsyncIterator[tuple[APIServer, SocketWire]]:
    """A ready server behind a real socket, over memory, in real time; whoever has the token may do everything."""
    storage = MemoryStorage(SystemClock())
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as tokens:
        tokens.write(f"{TOKEN},user,1\n")
        tokens.flush()
        options = Options(authorization_mode=("AlwaysAllow",), token_auth_file=tokens.name)
        server = APIServer(options, storage, rand=Random(1))
        await server.start()
    await server.wait_ready()
    front = Front(server.handler, loop=asyncio.get_running_loop())
    try:
        yield server, SocketWire(await front.listen("127.0.0.1", 0, None))
    finally:
        server.begin_stop()
        await server.stop()
        await front.stop(1)
        await storage.close()
