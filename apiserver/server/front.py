"""The HTTP front: HTTP/1.1 over TLS, carried by aiohttp's low-level server with one handler of ours and prepared bytes.

aiohttp parses and keeps connections; requests and answers are ours (apimachinery.http), so no router, no header
objects and no copies of bodies lie in between (8 µs where aiohttp's Application costs 20). What leans on aiohttp's
inside is in this file, `connection.py` and `answers.py`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from typing import Any

from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_server import Server

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.http import (
    Handler,
    Request,
    Response,
    StreamResponse,
    UpgradeResponse,
    decode_path,
)
from apiserver.server.answers import Answer, Ready, Refused, Streaming, Upgraded
from apiserver.server.connection import LINGER, Connection, Exchange
from apiserver.server.headers import FrontHeaders
from apiserver.server.turns import Turns
from apiserver.server.websocket import FrontWebSocket
from apiserver.server.wire import CONTINUE, DateLine

log = logging.getLogger(__name__)

MAX_BODY = 3 * 1024 * 1024  # upstream's MaxRequestBodyBytes
MAX_HEADER = 1024 * 1024  # Go's DefaultMaxHeaderBytes
MAX_HEADERS = 10_000
KEEPALIVE = 180.0  # seconds an idle connection is kept
BACKLOG = 1024
ACCEPTS = 8  # connections taken in a round of the loop: libuv (1.45 and later) takes one for each handle that listens
STARTS = 64  # requests begun in a round of the loop; with 16, creates over 32 connections cost a fifth more


class _Server(Server):
    """aiohttp's server with our connections."""

    def __init__(self, handler: Any, *, loop: asyncio.AbstractEventLoop, **kwargs: Any) -> None:
        super().__init__(handler, loop=loop, **kwargs)
        self._starts = Turns(loop, STARTS)
        self._pieces = Turns(loop)

    def __call__(self) -> Connection:
        return Connection(self, self._starts, self._pieces, loop=self._loop, **self._kwargs)


class Front:
    """Serves `handler` on one or more addresses."""

    def __init__(self, handler: Handler, *, loop: asyncio.AbstractEventLoop) -> None:
        self._handler = handler
        self._loop = loop
        self._date = DateLine()
        self._listeners: list[asyncio.AbstractServer] = []
        self._server = _Server(
            self._handle,
            request_factory=self._exchange,
            loop=loop,
            access_log=None,
            keepalive_timeout=KEEPALIVE,
            max_line_size=MAX_HEADER,
            max_field_size=MAX_HEADER,
            max_headers=MAX_HEADERS,
            lingering_time=LINGER,
            auto_decompress=False,
        )

    async def listen(self, host: str, port: int, context: ssl.SSLContext | None) -> int:
        """Accept connections from now on; returns the port (which the system chose where `port` is 0)."""
        listener = await self._loop.create_server(
            self._server, host or None, port, ssl=context, reuse_address=True, backlog=BACKLOG
        )
        self._listeners.append(listener)
        for listening in listener.sockets:
            for _ in range(ACCEPTS - 1):
                again = socket.socket(fileno=os.dup(listening.fileno()))
                self._listeners.append(
                    await self._loop.create_server(self._server, sock=again, ssl=context, backlog=BACKLOG)
                )
        return int(listener.sockets[0].getsockname()[1])

    def connections(self) -> int:
        return len(self._server.connections)

    async def stop_accepting(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._server.pre_shutdown()

    async def stop(self, timeout: float) -> None:
        """Stop accepting, let requests finish for `timeout` seconds, close every connection."""
        await self.stop_accepting()
        await self._server.shutdown(timeout)
        self._listeners.clear()

    def _exchange(self, message: Any, payload: Any, protocol: Connection, writer: Any, task: Any) -> Exchange:
        return Exchange(message, payload, protocol)

    async def _handle(self, exchange: Exchange) -> Answer:
        """One request: to our Request, through the handler, to an answer that aiohttp will have written."""
        message, connection = exchange.message, exchange.connection
        raw_path, _, query = message.path.partition("?")
        if "%" in raw_path and not _well_escaped(raw_path):
            return Refused()
        if not raw_path.startswith("/"):
            raw_path = _origin_form(raw_path)
        headers = FrontHeaders(message.headers)
        request = Request(
            message.method,
            decode_path(raw_path),
            query,
            headers,
            read_body=None if exchange.payload is EMPTY_PAYLOAD else _BodyReader(exchange, headers),
            client_certificate=connection.client_certificate(),
            remote=connection.remote,
            connection=connection.facts,
        )
        if message.upgrade and headers.get("upgrade", "").lower() == "websocket":
            request.upgrade = FrontWebSocket(exchange, self._loop)
        response = await self._handler(request)
        keep_alive = not message.should_close and message.version >= (1, 1)
        if isinstance(response, Response):
            return Ready(response, self._date(), message.method == "HEAD", keep_alive)
        if isinstance(response, StreamResponse):
            return Streaming(response, self._date(), keep_alive, chunked=message.version >= (1, 1))
        assert isinstance(response, UpgradeResponse)
        return Upgraded(response, request.upgrade)


class _BodyReader:
    """Reads a request's body, once, up to MAX_BODY."""

    __slots__ = ("_exchange", "_headers")

    def __init__(self, exchange: Exchange, headers: FrontHeaders) -> None:
        self._exchange = exchange
        self._headers = headers

    async def __call__(self) -> bytes:
        payload = self._exchange.payload
        length = self._headers.get("content-length", "")
        if length.isdigit() and int(length) > MAX_BODY:
            raise _too_large()
        if self._headers.get("expect", "").lower() == "100-continue":
            self._exchange.connection.write(CONTINUE)
        pieces: list[bytes] = []
        size = 0
        while piece := await payload.readany():
            size += len(piece)
            if size > MAX_BODY:
                raise _too_large()
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _too_large() -> StatusError:
    return StatusError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {MAX_BODY}")


_HEX = frozenset("0123456789abcdefABCDEF")


def _well_escaped(path: str) -> bool:
    """Go refuses a request whose path has a `%` without two hexadecimal digits."""
    return all(_HEX.issuperset(part[:2]) and len(part) > 1 for part in path.split("%")[1:])


def _origin_form(target: str) -> str:
    """The path of an absolute request target (`http://host/path`), `*` as it is."""
    scheme, found, rest = target.partition("://")
    if not found or not scheme.isalpha():
        return target
    _, slash, path = rest.partition("/")
    return slash + path if slash else "/"
