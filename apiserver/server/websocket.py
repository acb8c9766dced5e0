"""A WebSocket over the front: aiohttp's handshake and reader; messages of a Sink are framed here and written at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiohttp.http import WSMsgType
from aiohttp.web_request import BaseRequest
from aiohttp.web_ws import WebSocketResponse

from apiserver.apimachinery.http import Frame, Sink

if TYPE_CHECKING:
    from apiserver.server.connection import Connection, Exchange

_TEXT, _BINARY = 0x81, 0x82  # final frame of a message
_KEY_LENGTH = 24  # 16 bytes in base64
_CLOSE_TIMEOUT = 2.0
_MAX_MESSAGE = 4 * 1024 * 1024


def frame(data: bytes, text: bool) -> bytes:
    """One unmasked WebSocket message (RFC 6455, 5.2)."""
    opcode, size = _TEXT if text else _BINARY, len(data)
    if size < 126:
        return bytes((opcode, size)) + data
    if size < 1 << 16:
        return bytes((opcode, 126)) + size.to_bytes(2, "big") + data
    return bytes((opcode, 127)) + size.to_bytes(8, "big") + data


def _refusal(headers: Mapping[str, str]) -> bytes:
    """What upstream says to a handshake it cannot take (golang.org/x/net/websocket), without a content type or length."""
    if headers.get("Sec-WebSocket-Version", "") != "13":
        return b"HTTP/1.1 400 Bad Request\r\nSec-WebSocket-Version: 13\r\n\r\nmissing or bad WebSocket Version"
    if len(headers.get("Sec-WebSocket-Key", "")) != _KEY_LENGTH:
        return b"HTTP/1.1 400 Bad Request\r\n\r\nmismatch challenge/response"
    return b""


class FrontWebSocket:
    """`apimachinery.http.WebSocket` over one exchange."""

    def __init__(self, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
        self._exchange = exchange
        self._loop = loop
        self._socket: WebSocketResponse | None = None

    async def accept(self, protocols: Sequence[str] = ()) -> str:
        exchange = self._exchange
        if refusal := _refusal(exchange.message.headers):
            exchange.connection.write(refusal)
            raise ConnectionResetError("the handshake makes no sense")
        task: Any = asyncio.current_task()
        request = BaseRequest(
            exchange.message, exchange.payload, exchange.connection, exchange.writer, task, self._loop
        )
        socket = WebSocketResponse(
            protocols=protocols, timeout=_CLOSE_TIMEOUT, compress=False, max_msg_size=_MAX_MESSAGE
        )
        await socket.prepare(request)
        self._socket = socket
        return socket.ws_protocol or ""

    def sink(self, *, text: bool) -> Sink:
        return _WebSocketSink(self._exchange.connection, text)

    async def send(self, data: bytes, *, text: bool = False) -> None:
        self._exchange.connection.write(frame(data, text))
        await self._exchange.connection.drain()

    async def receive(self) -> bytes | None:
        assert self._socket is not None, "accept() comes first"
        message = await self._socket.receive()
        if message.type is WSMsgType.TEXT:
            return str(message.data).encode()
        return bytes(message.data) if message.type is WSMsgType.BINARY else None

    async def close(self, code: int = 1000, reason: str = "") -> None:
        if self._socket is not None and not self._socket.closed:
            await self._socket.close(code=code, message=reason.encode()[:123])


class _WebSocketSink:
    __slots__ = ("_connection", "_text")

    def __init__(self, connection: Connection, text: bool) -> None:
        self._connection = connection
        self._text = text

    def write(self, item: Frame) -> None:
        messages = item.payload.splitlines(keepends=True) if self._text else (item.payload,)
        self._connection.write(b"".join([frame(message, self._text) for message in messages]))

    def buffered(self) -> int:
        return self._connection.buffered()

    async def drain(self) -> None:
        await self._connection.drain()

    async def wait_closed(self) -> None:
        await self._connection.wait_closed()
