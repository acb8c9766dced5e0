"""A connection that sends bytes as they are and reads whatever comes back; it opens again when it was closed."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from conformance.target import Target

NO_BODY = (204, 304)


@dataclass
class Reply:
    """An answer; header names in lower case. Status 0: the server closed the connection instead."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Wire:
    """One client. Not for two requests at once."""

    def __init__(self, target: Target, context: ssl.SSLContext) -> None:
        parts = urlsplit(target.url)
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._context = context
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, data: bytes) -> Reply:
        """Send, and read one answer; a connection that an earlier answer ended is made anew."""
        reader, writer = await self._open()
        try:
            writer.write(data)
            reply = await self._read(reader, method)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            reply = Reply(0)
        if reply.status in (0, 101) or reply.headers.get("connection", "").lower() == "close":
            await self.close()
        return reply

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await self._streams[1].wait_closed()
            self._streams = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and self._streams[0].at_eof():
            await self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, ssl=self._context, limit=1 << 26)
        return self._streams

    async def _read(self, reader: asyncio.StreamReader, method: str) -> Reply:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ")[1])
        if status == 100:
            return await self._read(reader, method)
        pairs = (line.partition(":") for line in head[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        if method == "HEAD" or status in NO_BODY:
            return Reply(status, headers)
        if headers.get("transfer-encoding") == "chunked":
            return Reply(status, headers, await _chunks(reader))
        if "content-length" in headers:
            return Reply(status, headers, await reader.readexactly(int(headers["content-length"])))
        return Reply(status, {**headers, "connection": "close"}, await reader.read())


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int((await reader.readuntil(b"\r\n"))[:-2], 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
    await reader.readexactly(2)
    return b"".join(parts)
