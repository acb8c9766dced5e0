"""A TCP proxy that fails on request: the network between us and etcd."""

from __future__ import annotations

import asyncio
import contextlib


class Proxy:
    """Forwards to a port on loopback. `cut` refuses and breaks connections, `mute` forwards requests but no answers,
    `freeze` forwards nothing; connections that exist feel it too."""

    def __init__(self, target_port: int) -> None:
        self._target = target_port
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.StreamWriter, None] = {}
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._answers = asyncio.Event()
        self._requests = asyncio.Event()
        self.port = 0
        self.accepted = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Proxy:
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def mend(self) -> None:
        self._answers.set()
        self._requests.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def mute(self) -> None:
        self._answers.clear()

    def freeze(self) -> None:
        self._answers.clear()
        self._requests.clear()

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._connections):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        for one in (writer, back):
            self._connections[one] = None
        for task in (
            asyncio.create_task(self._pump(reader, back, self._requests)),
            asyncio.create_task(self._pump(there, writer, self._answers)),
        ):
            self._tasks[task] = None

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, gate: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(1 << 16):
                await gate.wait()
                sink.write(data)
                await sink.drain()
        self._connections.pop(sink, None)
        sink.transport.abort()
