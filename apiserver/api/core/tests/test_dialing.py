"""What is carried to a kubelet: a WebSocket message by message, a refusal as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiohttp import web

from apiserver.api.core.rest.dialing import Dialer, path_of
from apiserver.apimachinery.http import Headers, Request, RequestInfo, Response, StreamResponse, UpgradeResponse
from apiserver.client.transport import LoopbackSink

PROTOCOL = "v5.channel.k8s.io"


class Front:
    """A client's WebSocket as the front hands it over."""

    def __init__(self, *messages: bytes) -> None:
        self._messages = asyncio.Queue[bytes | None]()
        for message in messages:
            self._messages.put_nowait(message)
        self.got: list[bytes] = []
        self.protocols: Sequence[str] = ()
        self.closed = False

    async def accept(self, protocols: Sequence[str] = ()) -> str:
        self.protocols = protocols
        return protocols[0] if protocols else ""

    async def send(self, data: bytes, *, text: bool = False) -> None:
        self.got.append(data)

    async def receive(self) -> bytes | None:
        return await self._messages.get()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self.closed = True


async def _kubelet(request: web.BaseRequest) -> web.StreamResponse:
    """Says every message back in capitals, until one is `bye`; refuses what is not for /echo."""
    if request.path != "/echo":
        return web.Response(status=501, text="nothing runs here\n")
    socket = web.WebSocketResponse(protocols=(PROTOCOL,))
    await socket.prepare(request)
    async for message in socket:
        if message.data == b"bye":
            break
        await socket.send_bytes(message.data.upper())
    await socket.close()
    return socket


def request_of(front: Front | None) -> Request:
    headers = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Protocol", PROTOCOL)]
    return Request("GET", "/", headers=Headers(headers), upgrade=front)


async def _with_kubelet(path: str, front: Front) -> tuple[object, Dialer]:
    server = web.Server(_kubelet)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    dialer = Dialer()
    answer = await dialer.upgrade(
        request_of(front), f"http://127.0.0.1:{port}{path}", f"127.0.0.1:{port}", kubelet=True
    )
    if isinstance(answer, UpgradeResponse):
        await answer.run(front)
    elif isinstance(answer, StreamResponse):
        sink = LoopbackSink()
        await answer.run(sink)
        sink.end()
        answer = Response(answer.status, await sink.read() or b"")
    await dialer.aclose()
    listener.close()
    await server.shutdown(1)
    return answer, dialer


def test_messages_go_both_ways_until_one_side_ends() -> None:
    async def main() -> None:
        front = Front(b"one", b"two", b"bye")
        await _with_kubelet("/echo", front)
        assert front.protocols == [PROTOCOL]
        assert front.got == [b"ONE", b"TWO"]
        assert front.closed

    asyncio.run(main())


def test_a_refused_upgrade_is_answered_as_the_kubelet_does() -> None:
    async def main() -> None:
        answer, _ = await _with_kubelet("/exec/ns/p/c", Front())
        assert isinstance(answer, Response)
        assert (answer.status, answer.body) == (501, b"nothing runs here\n")

    asyncio.run(main())


def test_what_is_proxied_is_the_path_behind_proxy() -> None:
    info = RequestInfo(True, "get", "", parts=("nodes", "n", "proxy", "stats", "a b"))
    assert path_of(Request("GET", "/api/v1/nodes/n/proxy/stats/a b/", info=info)) == "/stats/a%20b/"
    assert path_of(Request("GET", "/api/v1/nodes/n/proxy", info=info._replace(parts=("nodes", "n", "proxy")))) == ""
