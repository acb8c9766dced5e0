"""Answers as aiohttp's protocol wants them (`prepare`, `write_eof`, `keep_alive`), written as ready bytes."""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

from apiserver.apimachinery.http import Frame, Response, StreamResponse, UpgradeResponse
from apiserver.server.wire import BAD_REQUEST, CHUNKED, CLOSE, LAST_CHUNK, head

if TYPE_CHECKING:
    from apiserver.server.connection import Connection, Exchange

log = logging.getLogger(__name__)

PIECE = 256 * 1024  # bytes written between two drains


class Answer(Protocol):
    """What the protocol does with what the handler returned."""

    keep_alive: bool

    async def prepare(self, request: Any) -> None: ...

    async def write_eof(self) -> None: ...


class Refused:
    """400 for what is no HTTP; the connection closes."""

    keep_alive = False

    async def prepare(self, request: Exchange) -> None:
        request.connection.write(BAD_REQUEST)

    async def write_eof(self) -> None:
        return None


class Ready:
    """A finished response: head and small bodies in one write, large ones in pieces with a drain behind each."""

    __slots__ = ("_date", "_head_only", "_response", "keep_alive")

    def __init__(self, response: Response, date: str, head_only: bool, keep_alive: bool) -> None:
        self._response = response
        self._date = date
        self._head_only = head_only
        self.keep_alive = keep_alive

    async def prepare(self, request: Exchange) -> None:
        response, connection = self._response, request.connection
        body = response.body
        headers = response.headers if self.keep_alive else [*response.headers, CLOSE]
        if isinstance(body, bytes):
            start = head(response.status, response.content_type, headers, self._date, _length(response, len(body)))
            if self._head_only:
                body = b""
            if len(body) <= PIECE:
                connection.write(start + body)
            else:
                connection.write(start)
                await _write_large(connection, body)
            return
        ends = list(accumulate(map(len, body)))
        connection.write(head(response.status, response.content_type, headers, self._date, ends[-1] if ends else 0))
        if not self._head_only:
            await _write_pieces(connection, body, ends)

    async def write_eof(self) -> None:
        return None


def _length(response: Response, length: int) -> int | None:
    """304 and 204 have no body, and say no length."""
    return None if response.status in (204, 304) else length


async def _write_large(connection: Connection, body: bytes) -> None:
    if len(body) <= PIECE:
        connection.write(body)
        return await connection.drain()
    view = memoryview(body)
    for start in range(0, len(body), PIECE):
        connection.write(view[start : start + PIECE])  # type: ignore[arg-type]  # transports take any buffer
        await connection.drain()
    return None


async def _write_pieces(connection: Connection, pieces: Sequence[bytes], ends: Sequence[int]) -> None:
    """Join small pieces up to PIECE; never more than one such join is in memory. `ends`: where each piece ends."""
    begin = 0
    while begin < len(pieces):
        end = bisect_right(ends, (ends[begin - 1] if begin else 0) + PIECE, begin + 1)
        await _write_large(connection, b"".join(pieces[begin:end]))
        begin = end


class TransportSink:
    """The Sink of a streaming answer: frames go to the transport as they are, from whichever task writes."""

    __slots__ = ("_chunked", "_connection")

    def __init__(self, connection: Connection, chunked: bool) -> None:
        self._connection = connection
        self._chunked = chunked

    def write(self, frame: Frame) -> None:
        self._connection.write(frame.chunk if self._chunked else frame.payload)

    def buffered(self) -> int:
        return self._connection.buffered()

    async def drain(self) -> None:
        await self._connection.drain()

    async def wait_closed(self) -> None:
        await self._connection.wait_closed()


class Streaming:
    """A body that its writer makes as it goes: chunked, or (HTTP/1.0) until the connection closes."""

    __slots__ = ("_chunked", "_date", "_response", "keep_alive")

    def __init__(self, response: StreamResponse, date: str, keep_alive: bool, chunked: bool) -> None:
        self._response = response
        self._date = date
        self._chunked = chunked
        self.keep_alive = keep_alive

    async def prepare(self, request: Exchange) -> None:
        response, connection = self._response, request.connection
        headers = list(response.headers)
        if self._chunked:
            headers.append(CHUNKED)
        if not self.keep_alive:
            headers.append(CLOSE)
        connection.write(head(response.status, response.content_type, headers, self._date, None))
        try:
            await response.run(TransportSink(connection, self._chunked))
        except ConnectionResetError:
            raise
        except asyncio.CancelledError:
            connection.abort()
            raise
        except Exception as e:
            log.exception("a streaming answer broke off")
            connection.abort()
            raise ConnectionResetError("the answer broke off") from e
        if self._chunked:
            connection.write(LAST_CHUNK)

    async def write_eof(self) -> None:
        return None


class Upgraded:
    """The connection leaves HTTP: its handler runs over the upgrade handle, and the connection closes behind it."""

    __slots__ = ("_handle", "_response", "keep_alive")

    def __init__(self, response: UpgradeResponse, handle: Any) -> None:
        self._response = response
        self._handle = handle
        self.keep_alive = False

    async def prepare(self, request: Exchange) -> None:
        try:
            await self._response.run(self._handle)
        finally:
            await self._handle.close()

    async def write_eof(self) -> None:
        return None
