"""The HTTP front over real sockets: what goes over the wire, byte by byte where it matters."""

from __future__ import annotations

import asyncio
import base64
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from apiserver.apimachinery.http import (
    AnyResponse,
    Frame,
    Handler,
    Request,
    Response,
    Sink,
    StreamResponse,
    UpgradeResponse,
    WebSocket,
)
from apiserver.server import connection
from apiserver.server.front import MAX_BODY, Front
from apiserver.server.tests.client import Client


@pytest.fixture(autouse=True, params=["own loop", "aiohttp's loop"])
def loop_over_requests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything holds with our loop over a connection's requests, and with aiohttp's in its place."""
    assert connection.OWN_LOOP, "the installed aiohttp has changed inside: see connection.py"
    monkeypatch.setattr(connection, "OWN_LOOP", request.param == "own loop")


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Client]:
    front = Front(handler, loop=asyncio.get_running_loop())
    port = await front.listen("127.0.0.1", 0, None)
    client = await Client.open(port)
    try:
        yield client
    finally:
        await client.close()
        await front.stop(1)


async def echo(request: Request) -> AnyResponse:
    body = await request.body()
    text = f"{request.method}|{request.path}|{request.raw_query}|{request.headers.get('X-Thing')}|{len(body)}"
    return Response(200, text.encode(), "text/plain", [("X-Own", "ä")])


async def test_a_request_and_its_answer() -> None:
    async with serving(echo) as client:
        answer = await client.ask("POST", "/a%20b%2Fc?x=%20y", "x-thing: one\r\n", b"12345")
        assert (answer.status, answer.body) == (200, b"POST|/a b/c|x=%20y|one|5")
        assert answer.headers["content-type"] == "text/plain"
        assert answer.headers["date"].endswith(" GMT")
        assert answer.headers["x-own"] == "ä"


async def test_a_connection_serves_many_requests_also_when_they_come_at_once() -> None:
    async with serving(echo) as client:
        for _ in range(3):
            assert (await client.ask("GET", "/")).status == 200
        await client.send(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await client.answer()).body.startswith(b"GET|/1")
        assert (await client.answer()).body.startswith(b"GET|/2")


async def test_head_has_the_length_and_no_body() -> None:
    async with serving(echo) as client:
        answer = await client.ask("HEAD", "/")
        assert int(answer.headers["content-length"]) > 0
        assert (await client.ask("GET", "/after")).body.startswith(b"GET|/after")


async def test_connection_close_and_http_1_0_end_the_connection() -> None:
    async with serving(echo) as client:
        answer = await client.ask("GET", "/", "Connection: close\r\n")
        assert answer.headers["connection"] == "close"
        assert await client.closed()
    async with serving(echo) as client:
        await client.send(b"GET / HTTP/1.0\r\n\r\n")
        assert (await client.answer()).status == 200
        assert await client.closed()


@pytest.mark.parametrize(
    "raw", [b"nonsense\r\n\r\n", b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /% HTTP/1.1\r\nHost: x\r\n\r\n"]
)
async def test_what_is_no_http_is_a_400_as_go_writes_it(raw: bytes) -> None:
    async with serving(echo) as client:
        await client.send(raw)
        answer = await client.answer()
        assert (answer.status, answer.body) == (400, b"400 Bad Request")
        assert answer.headers == {"content-type": "text/plain; charset=utf-8", "connection": "close"}


async def test_an_absolute_target_is_its_path() -> None:
    async with serving(echo) as client:
        assert (await client.ask("GET", "http://example.com/a?b")).body.startswith(b"GET|/a|b")
        assert (await client.ask("GET", "http://example.com")).body.startswith(b"GET|/|")


async def test_long_targets_and_many_headers_are_fine() -> None:
    async with serving(echo) as client:
        headers = "".join(f"X-{n}: {n}\r\n" for n in range(500))
        answer = await client.ask("GET", "/a?b=" + "c" * 200_000, headers)
        assert (answer.status, len(answer.body) > 200_000) == (200, True)


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_over_the_limit_is_refused(announced: bool) -> None:
    refused: list[str] = []

    async def handler(request: Request) -> AnyResponse:
        try:
            await request.body()
        except Exception as e:
            refused.append(str(e))
        return Response(413, b"{}")

    async with serving(handler) as client:
        data = b"x" * (MAX_BODY + 1)
        if announced:
            answer = await client.ask("POST", "/", body=data)
        else:
            chunk = b"%x\r\n%b\r\n" % (len(data), data)
            await client.send(
                b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n"
            )
            answer = await client.answer()
        assert answer.status == 413
        assert refused == ["Request entity too large: limit is 3145728"]


async def test_a_body_of_exactly_the_limit_is_read() -> None:
    async with serving(echo) as client:
        assert (await client.ask("POST", "/", body=b"x" * MAX_BODY)).body.endswith(b"|3145728")


async def test_a_client_that_asks_first_may_go_on() -> None:
    async with serving(echo) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert (await client.answer()).status == 100
        await client.send(b"ab")
        assert (await client.answer()).body.endswith(b"|2")


@pytest.mark.parametrize("pieces", [1, 2000])
async def test_large_bodies_arrive_whole(pieces: int) -> None:
    data = [os.urandom(3_000_000 // pieces) for _ in range(pieces)]

    async def handler(request: Request) -> AnyResponse:
        return Response(200, data if pieces > 1 else data[0])

    async with serving(handler) as client:
        answer = await client.ask("GET", "/")
        assert answer.body == b"".join(data)
        assert answer.headers["content-length"] == str(len(answer.body))


async def test_a_stream_is_chunked_and_ends_in_good_order() -> None:
    go_on = asyncio.Event()

    async def run(sink: Sink) -> None:
        sink.write(Frame.of(b"first\n"))
        await go_on.wait()
        sink.write(Frame.of(b"second\n"))
        await sink.drain()

    async def handler(request: Request) -> AnyResponse:
        return StreamResponse(200, run)

    async with serving(handler) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        status, headers = await client.head()
        assert (status, headers["transfer-encoding"]) == (200, "chunked")
        assert await client.chunk() == b"first\n"
        go_on.set()
        assert await client.chunk() == b"second\n"
        assert await client.chunk() is None
        assert (await client.ask("GET", "/")).body == b"first\nsecond\n"


async def test_a_stream_over_http_1_0_ends_with_the_connection() -> None:
    async def run(sink: Sink) -> None:
        sink.write(Frame.of(b"all"))

    async def handler(request: Request) -> AnyResponse:
        return StreamResponse(200, run)

    async with serving(handler) as client:
        await client.send(b"GET / HTTP/1.0\r\n\r\n")
        answer = await client.answer()
        assert (answer.body, "transfer-encoding" in answer.headers) == (b"all", False)


async def test_a_stream_that_breaks_is_cut_not_ended() -> None:
    async def run(sink: Sink) -> None:
        sink.write(Frame.of(b"half"))
        await sink.drain()
        raise RuntimeError("broken")

    async def handler(request: Request) -> AnyResponse:
        return StreamResponse(200, run)

    async with serving(handler) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError, ValueError)):
            await client.answer()


async def test_a_writer_learns_that_its_peer_has_gone() -> None:
    seen: list[str] = []
    gone = asyncio.Event()

    async def run(sink: Sink) -> None:
        sink.write(Frame.of(b"hello"))
        await sink.wait_closed()
        seen.append("closed")
        sink.write(Frame.of(b"nobody reads this"))
        try:
            await sink.drain()
        except ConnectionResetError:
            seen.append("reset")
            gone.set()
            raise

    async def handler(request: Request) -> AnyResponse:
        return StreamResponse(200, run)

    async with serving(handler) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await client.head()
        await client.close()
        await gone.wait()
    assert seen == ["closed", "reset"]


async def test_a_slow_reader_makes_the_writer_wait() -> None:
    written = 0

    async def run(sink: Sink) -> None:
        nonlocal written
        frame = Frame.of(b"x" * 65536)
        for _ in range(1000):
            sink.write(frame)
            written += 1
            await sink.drain()

    async def handler(request: Request) -> AnyResponse:
        return StreamResponse(200, run)

    front = Front(handler, loop=asyncio.get_running_loop())
    port = await front.listen("127.0.0.1", 0, None)
    _reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    last = -1
    while written != last or not written:
        last = written
        await asyncio.sleep(0.05)
    assert written < 1000
    writer.close()
    await front.stop(1)


async def test_facts_of_a_connection_live_as_long_as_it() -> None:
    async def handler(request: Request) -> AnyResponse:
        request.connection["count"] = request.connection.get("count", 0) + 1
        return Response(200, str(request.connection["count"]).encode())

    async with serving(handler) as client:
        assert [(await client.ask("GET", "/")).body for _ in range(2)] == [b"1", b"2"]
    async with serving(handler) as client:
        assert (await client.ask("GET", "/")).body == b"1"


async def test_stopping_lets_requests_finish_and_closes_idle_connections() -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def handler(request: Request) -> AnyResponse:
        entered.set()
        await go_on.wait()
        return Response(200, b"done")

    front = Front(handler, loop=asyncio.get_running_loop())
    port = await front.listen("127.0.0.1", 0, None)
    busy, idle = await Client.open(port), await Client.open(port)
    await busy.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await entered.wait()
    stopping = asyncio.create_task(front.stop(10))
    await asyncio.sleep(0)
    with pytest.raises(OSError):
        await Client.open(port)
    go_on.set()
    assert (await busy.answer()).body == b"done"
    assert await idle.closed()
    await stopping
    await busy.close()
    await idle.close()


async def test_a_websocket_is_accepted_and_carries_messages_both_ways() -> None:
    async def run(socket: WebSocket) -> None:
        protocol = await socket.accept(["binary.k8s.io", "base64.binary.k8s.io"])
        await socket.send(protocol.encode(), text=True)
        got = await socket.receive()
        sink = socket.sink(text=False)
        sink.write(Frame.of((got or b"") * 30_000))
        await sink.drain()

    async def handler(request: Request) -> AnyResponse:
        assert request.upgrade is not None
        return UpgradeResponse(run)

    async with serving(handler) as client:
        key = base64.b64encode(os.urandom(16)).decode()
        await client.send(
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Protocol: other, base64.binary.k8s.io\r\nSec-WebSocket-Key: " + key.encode() + b"\r\n\r\n"
        )
        status, headers = await client.head()
        assert (status, headers["sec-websocket-protocol"]) == (101, "base64.binary.k8s.io")
        text = b"base64.binary.k8s.io"
        assert await client.reader.readexactly(2 + len(text)) == bytes((0x81, len(text))) + text
        await client.send(b"\x82\x83\0\0\0\0abc")  # masked with zeros
        assert await client.reader.readexactly(10) == b"\x82\x7f" + (90_000).to_bytes(8, "big")
        assert await client.reader.readexactly(90_000) == b"abc" * 30_000
        assert (await client.reader.readexactly(2))[0] == 0x88  # the server closes in good order


async def test_lines_of_text_are_messages_of_their_own() -> None:
    async def run(socket: WebSocket) -> None:
        await socket.accept()
        socket.sink(text=True).write(Frame.of(b"one\ntwo\n"))

    async def handler(request: Request) -> AnyResponse:
        return UpgradeResponse(run)

    async with serving(handler) as client:
        key = base64.b64encode(os.urandom(16))
        await client.send(
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
        )
        assert (await client.head())[0] == 101
        assert await client.reader.readexactly(12) == b"\x81\x04one\n\x81\x04two\n"


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (b"Sec-WebSocket-Version: 12", b"Sec-WebSocket-Version: 13\r\n\r\nmissing or bad WebSocket Version"),
        (b"Sec-WebSocket-Version: 13", b"\r\nmismatch challenge/response"),
    ],
)
async def test_a_handshake_that_makes_no_sense_is_told_so(header: bytes, told: bytes) -> None:
    async def run(socket: WebSocket) -> None:
        await socket.accept()

    async def handler(request: Request) -> AnyResponse:
        return UpgradeResponse(run)

    async with serving(handler) as client:
        upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n" + upgrade + header + b"\r\n\r\n")
        assert await client.reader.read() == b"HTTP/1.1 400 Bad Request\r\n" + told


async def test_without_an_upgrade_there_is_no_handle() -> None:
    async def handler(request: Request) -> AnyResponse:
        return Response(200, b"yes" if request.upgrade is None else b"no")

    async with serving(handler) as client:
        assert (await client.ask("GET", "/")).body == b"yes"


async def test_a_declined_upgrade_is_a_request_like_others() -> None:
    async with serving(echo) as client:
        upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        await client.send(b"GET /1 HTTP/1.1\r\nHost: x\r\n" + upgrade + b"GET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await client.answer()).body.startswith(b"GET|/1")
        assert (await client.answer()).body.startswith(b"GET|/2")


async def test_a_bug_in_the_front_costs_the_connection_only(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: Request) -> AnyResponse:
        raise RuntimeError("a bug")

    async with serving(handler) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" not in await client.reader.read()
        assert "a bug" in caplog.text


async def test_a_body_nobody_reads_does_not_spoil_the_next_request() -> None:
    async def handler(request: Request) -> AnyResponse:
        return Response(200, request.path.encode())

    async with serving(handler) as client:
        assert (await client.ask("POST", "/1", body=b"x" * 500_000)).body == b"/1"
        assert (await client.ask("GET", "/2")).body == b"/2"


async def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def handler(request: Request) -> AnyResponse:
        return Response(200, b"early")

    monkeypatch.setattr(connection, "LINGER", 0.05)
    async with serving(handler) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx")
        assert (await client.answer()).body == b"early"
        assert await client.closed()


async def test_a_client_that_leaves_while_it_is_served_harms_nobody() -> None:
    finished = asyncio.Event()

    async def handler(request: Request) -> AnyResponse:
        await asyncio.sleep(0.05)
        finished.set()
        return Response(200, b"x" * 1_000_000)

    async with serving(handler) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(0.01)
        client.writer.transport.abort()
        await finished.wait()


@pytest.mark.parametrize("seed", range(3))
async def test_noise_on_the_line_harms_nobody(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever bytes come, the connection gets an answer or closes, and the next client is served."""
    chance = random.Random(seed)
    pieces = [
        b"GET",
        b"POST",
        b" ",
        b"/",
        b"HTTP/1.1",
        b"\r\n",
        b"\n",
        b"Content-Length: 5",
        b"Content-Length: -1",
        b":",
    ]
    pieces += [
        b"Transfer-Encoding: chunked",
        b"\0",
        b"\xff\xfe",
        b"Host: x",
        b"Upgrade: websocket",
        b"%",
        b"5\r\nabcde\r\n",
    ]
    front = Front(echo, loop=asyncio.get_running_loop())
    port = await front.listen("127.0.0.1", 0, None)
    for _ in range(60):
        client = await Client.open(port)
        await client.send(b"".join(chance.choices(pieces, k=chance.randrange(1, 30))) + b"\r\n\r\n")
        client.writer.write_eof()
        async with asyncio.timeout(5):
            await client.reader.read()
        await client.close()
    client = await Client.open(port)
    assert (await client.ask("GET", "/still")).body.startswith(b"GET|/still")
    await client.close()
    await front.stop(1)
    assert "the front failed" not in caplog.text


async def test_who_stops_accepting_refuses_on_every_listener() -> None:
    front = Front(echo, loop=asyncio.get_running_loop())
    port = await front.listen("127.0.0.1", 0, None)
    clients = await asyncio.gather(*(Client.open(port) for _ in range(40)))
    assert {(await client.ask("GET", "/")).status for client in clients} == {200}
    await front.stop_accepting()
    with pytest.raises(ConnectionRefusedError):
        await Client.open(port)
    for client in clients:
        await client.close()
    await front.stop(1)
