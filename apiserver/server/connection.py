"""One client connection, its requests as aiohttp's protocol wants them, and the answers it writes.

The objects here have just what `aiohttp.web_protocol.RequestHandler` asks of a request and of a response
(`_finish`, `_cancel`; `prepare`, `write_eof`, `keep_alive`); a test holds them against the installed version.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any, Protocol

from aiohttp.web_protocol import RequestHandler

from apiserver.apimachinery.http import Frame, Headers, Response, StreamResponse, UpgradeResponse
from apiserver.server.wire import BAD_REQUEST, CHUNKED, CLOSE, LAST_CHUNK, head

log = logging.getLogger(__name__)

PIECE = 256 * 1024  # bytes written between two drains


class FrontHeaders(Headers):
    """Request headers straight from the parser's multidict: nothing is copied until somebody asks."""

    __slots__ = ("_multi",)

    def __init__(self, multi: Any) -> None:
        self._multi = multi

    def __getitem__(self, key: str) -> str:
        return self._multi[key]  # type: ignore[no-any-return]

    def get(self, key: str, default: Any = None) -> Any:
        return self._multi.get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._multi

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.lower() for name in self._multi))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def all(self, key: str) -> list[str]:
        return self._multi.getall(key, [])  # type: ignore[no-any-return]

    def pairs(self) -> list[tuple[str, str]]:
        return [(name.lower(), value) for name, value in self._multi.items()]

    def any_starts_with(self, prefix: str) -> bool:
        first, length = prefix[0], len(prefix)
        for name in self._multi:  # noqa: SIM110  # a generator costs more than the whole loop
            if name[0].lower() == first and name[:length].lower() == prefix:
                return True
        return False


class Connection(RequestHandler):
    """aiohttp's protocol, with facts that live as long as the connection and word of its end."""

    __slots__ = ("_certificate", "_lost", "facts", "remote")

    def __init__(self, manager: Any, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self.facts: dict[str, Any] = {}
        self.remote = ""
        self._certificate: bytes | None = None
        self._lost: list[asyncio.Future[None]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self.remote = peer[0] if isinstance(peer, tuple) else ""
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            self._certificate = tls.getpeercert(True)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        for waiter in self._lost:
            if not waiter.done():
                waiter.set_result(None)
        self._lost.clear()

    def client_certificate(self) -> bytes | None:
        """The client's certificate (DER), verified in the handshake."""
        return self._certificate

    def write(self, data: bytes) -> None:
        """Write, or drop what nobody will read."""
        transport = self.transport
        if transport is not None and not transport.is_closing():
            transport.write(data)

    async def drain(self) -> None:
        if self.transport is None:
            raise ConnectionResetError("the peer has gone")
        if self._paused:
            await self._drain_helper()
            if self.transport is None:
                raise ConnectionResetError("the peer has gone")

    def buffered(self) -> int:
        return 0 if self.transport is None else self.transport.get_write_buffer_size()

    async def wait_closed(self) -> None:
        if self.transport is None:
            return
        waiter = self._loop.create_future()
        self._lost.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._lost:
                self._lost.remove(waiter)

    def abort(self) -> None:
        """Cut the connection: the peer must see that the answer is not complete."""
        if self.transport is not None:
            self.transport.abort()

    def handle_error(
        self, request: Any, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> Any:
        """What aiohttp's parser could not read is a 400 as Go writes it; anything else here is a bug of ours."""
        if status != 400:
            log.error("the front failed", exc_info=exc)
        return Refused()


class Exchange:
    """One request as the parser gave it. The underscored members are what aiohttp's protocol touches."""

    __slots__ = ("_task", "connection", "message", "payload", "writer")

    def __init__(self, message: Any, payload: Any, connection: Connection, writer: Any, task: Any) -> None:
        self.message = message
        self.payload = payload
        self.connection = connection
        self.writer = writer
        self._task = task

    @property
    def remote(self) -> str:
        return self.connection.remote

    def _finish(self) -> None:
        """aiohttp: the handler has returned."""

    def _cancel(self, error: BaseException) -> None:
        """aiohttp: the connection is lost; whoever reads the body learns it."""
        self.payload.set_exception(error)


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
        size = sum(map(len, body))
        connection.write(head(response.status, response.content_type, headers, self._date, size))
        if not self._head_only:
            await _write_pieces(connection, body)

    async def write_eof(self) -> None:
        return None


def _length(response: Response, length: int) -> int | None:
    """304 and 204 have no body, and say no length."""
    return None if response.status in (204, 304) else length


async def _write_large(connection: Connection, body: bytes) -> None:
    view = memoryview(body)
    for start in range(0, len(body), PIECE):
        connection.write(view[start : start + PIECE])  # type: ignore[arg-type]  # transports take any buffer
        await connection.drain()


async def _write_pieces(connection: Connection, pieces: Any) -> None:
    """Join small pieces up to PIECE; never more than one such join is in memory."""
    group: list[bytes] = []
    size = 0
    for piece in pieces:
        group.append(piece)
        size += len(piece)
        if size >= PIECE:
            await _write_large(connection, b"".join(group))
            group, size = [], 0
    if group:
        await _write_large(connection, b"".join(group))


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
