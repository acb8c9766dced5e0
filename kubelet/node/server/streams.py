"""Exec and attach over a WebSocket: the first byte of a message is its channel (upstream apimachinery/pkg/util/remotecommand)."""

from __future__ import annotations

import asyncio

from aiohttp import WSMsgType, web

from kubelet.runtime.interface import DuplexStream, Frame

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
CLOSE_CHANNEL = 255  # v5: the next byte names a channel that is closed
MAX_MESSAGE = 4 * 1024 * 1024


def channel_protocols(request: web.BaseRequest) -> tuple[str, ...]:
    """Those of the client's protocols that are spoken here."""
    asked = [word.strip() for word in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    return tuple(protocol for protocol in PROTOCOLS if protocol in asked)


async def carry(request: web.BaseRequest, stream: DuplexStream, protocols: tuple[str, ...]) -> web.StreamResponse:
    """Frames both ways until the container's side ends."""
    if request.headers.get("Upgrade", "").lower() != "websocket" or not protocols:
        await stream.aclose()
        shown = ", ".join(PROTOCOLS)
        return web.Response(status=400, text=f"unable to upgrade: only WebSockets with {shown} are carried here\n")
    socket = web.WebSocketResponse(protocols=protocols, max_msg_size=MAX_MESSAGE, compress=False)
    await socket.prepare(request)
    reading = asyncio.ensure_future(_inwards(socket, stream))
    try:
        async for frame in stream.frames():
            await socket.send_bytes(bytes((frame.channel,)) + frame.data)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await stream.aclose()
        await socket.close()
    return socket


async def _inwards(socket: web.WebSocketResponse, stream: DuplexStream) -> None:
    async for message in socket:
        if message.type is WSMsgType.BINARY and message.data:
            await stream.send(Frame(message.data[0], bytes(message.data[1:])))
