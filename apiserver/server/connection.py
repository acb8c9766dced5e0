"""One client connection: aiohttp's protocol and parser, with a loop over its requests that is our own.

Everything here that leans on aiohttp's inside does so by names that `OWN_LOOP` looks for: where the installed version
has them not, aiohttp's own loop runs, 8 µs slower per request.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aiohttp.http import StreamWriter
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from apiserver.server.answers import Answer, Refused
from apiserver.server.turns import Turns

log = logging.getLogger(__name__)

LINGER = 2.0  # seconds for a client to send the rest of a body that nobody wants, so that it gets to read the answer

_NEEDED = (
    "_buffer_paused",
    "_close",
    "_current_request",
    "_force_close",
    "_handler_waiter",
    "_keepalive",
    "_keepalive_handle",
    "_keepalive_timeout",
    "_manager",
    "_messages",
    "_msg_queue_resume_size",
    "_next_keepalive_close_time",
    "_parser",
    "_process_keepalive",
    "_request_handler",
    "_request_in_progress",
    "_resume_reading_if_drained",
    "_task_handler",
    "_waiter",
)
OWN_LOOP = all(hasattr(RequestHandler, name) for name in _NEEDED)


class Connection(RequestHandler):
    """aiohttp's protocol, with facts that live as long as the connection and word of its end."""

    __slots__ = ("_certificate", "_lost", "_pieces", "_starts", "facts", "remote")

    def __init__(self, manager: Any, starts: Turns, pieces: Turns, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self._starts = starts
        self._pieces = pieces
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

    async def start(self) -> None:
        """aiohttp's loop over a connection's requests, without a task, a writer and a log record for each of them.

        To begin a request in `data_received` instead, before this task wakes, costs a fifth more under load: the rounds of
        the event loop no longer gather reads and writes.
        """
        if not OWN_LOOP:
            return await super().start()
        try:
            while not self._force_close and await self._serve_next():
                pass
        except asyncio.CancelledError:
            self.force_close()
            raise
        except ConnectionError:
            pass  # the peer has gone
        except Exception:
            log.exception("the front failed")
            self.force_close()
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()
        return None

    async def _serve_next(self) -> bool:
        """One request; whether another one may follow."""
        if not self._messages:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message, payload = self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        exchange = Exchange(message, payload, self)
        await self._starts()
        try:
            answer = await self._answer(exchange)
        finally:
            self._request_in_progress = False
            if self._handler_waiter is not None:
                self._handler_waiter.set_result(None)
        self._keepalive = answer.keep_alive
        if not payload.is_eof():
            await self._linger(payload)
        if not self._keepalive or self._close or self._force_close:
            return False
        self._next_keepalive_close_time = close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(close_time, self._process_keepalive)
        return True

    async def _answer(self, exchange: Exchange) -> Answer:
        self._request_in_progress = True
        if isinstance(exchange.message, _ErrInfo):
            answer: Answer = Refused()
            await answer.prepare(exchange)
            return answer
        assert self._request_handler is not None
        self._current_request = exchange  # type: ignore[assignment]
        try:
            answer = await self._request_handler(exchange)  # type: ignore[arg-type, assignment]
        finally:
            self._current_request = None
        if exchange.message.upgrade:  # aiohttp knows what to do with bytes behind a declined upgrade
            await self.finish_response(exchange, answer, None)  # type: ignore[arg-type]
        else:
            await answer.prepare(exchange)
        return answer

    async def _linger(self, payload: Any) -> None:
        """Read and drop the rest of a body for a while; closing at once would take the answer from the client."""
        try:
            async with asyncio.timeout(LINGER):
                while not payload.is_eof():
                    await payload.readany()
        except TimeoutError:
            self.close()

    def client_certificate(self) -> bytes | None:
        """The client's certificate (DER), verified in the handshake."""
        return self._certificate

    def write(self, data: bytes) -> None:
        """Write, or drop what nobody will read."""
        transport = self.transport
        if transport is not None and not transport.is_closing():
            transport.write(data)

    async def drain(self) -> None:
        """Until the peer has taken enough, and others have had their turn."""
        if self._paused:
            await self._drain_helper()
        await self._pieces()
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

    __slots__ = ("_task", "connection", "message", "payload")

    def __init__(self, message: Any, payload: Any, connection: Connection) -> None:
        self.message = message
        self.payload = payload
        self.connection = connection
        self._task: Any = None

    @property
    def remote(self) -> str:
        return self.connection.remote

    @property
    def writer(self) -> StreamWriter:
        """aiohttp's, for what it writes itself: the handshake of a WebSocket."""
        return StreamWriter(self.connection, self.connection._loop)

    def _finish(self) -> None:
        """aiohttp: the handler has returned."""

    def _cancel(self, error: BaseException) -> None:
        """aiohttp: the connection is lost; whoever reads the body learns it."""
        self.payload.set_exception(error)
