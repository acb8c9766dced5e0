"""A lean HTTP/1.1 client over TLS for load: one connection, one request at a time; and one that only counts a stream."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import cast
from urllib.parse import urlsplit

from conformance.target import Target


def tls(target: Target) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=target.ca)
    context.load_cert_chain(target.cert, target.key)
    return context


def address(target: Target) -> tuple[str, int]:
    parts = urlsplit(target.url)
    return parts.hostname or "", parts.port or 443


def request_bytes(method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", "Accept: application/json"]
    if body:
        lines += [f"Content-Length: {len(body)}"]
        headers = {"Content-Type": "application/json", **(headers or {})}
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Connection:
    """Keep-alive. `send` gives status and body length (and the body where `keep`)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, target: Target, context: ssl.SSLContext) -> Connection:
        host, port = address(target)
        reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=1 << 24)
        return cls(reader, writer)

    async def send(self, request: bytes) -> tuple[int, bytes]:
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        lower = head.lower()
        if (at := lower.find(b"content-length:")) >= 0:
            length = int(lower[at + 15 : lower.index(b"\r\n", at)])
            return status, await self._reader.readexactly(length)
        return status, await self._chunks()

    async def _chunks(self) -> bytes:
        parts: list[bytes] = []
        while True:
            size = int((await self._reader.readuntil(b"\r\n"))[:-2], 16)
            part = await self._reader.readexactly(size + 2)
            if size == 0:
                return b"".join(parts)
            parts.append(part[:-2])

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self._writer.wait_closed()


EVENT = b'{"type":"MODIFIED"'


class CountingWatch(asyncio.Protocol):
    """An open watch that counts its events and notes when the last one came."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._rest = b""  # what an event may have begun with
        self.events = 0
        self.last = 0.0
        self.started = asyncio.get_running_loop().create_future()
        self.transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self.started.done():
            self.started.set_result(None)
        data = self._rest + data
        self.events += data.count(EVENT)
        self._rest = data[1 - len(EVENT) :]
        self.last = asyncio.get_running_loop().time()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.started.done():
            self.started.set_exception(exc or ConnectionError("closed before it began"))


async def open_watch(target: Target, context: ssl.SSLContext, path: str) -> CountingWatch:
    """Open a watch and wait until its answer has begun."""
    host, port = address(target)
    watch = CountingWatch(request_bytes("GET", path))
    await asyncio.get_running_loop().create_connection(lambda: watch, host, port, ssl=context)
    await watch.started
    return watch
