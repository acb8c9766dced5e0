"""The loopback transport: HTTP semantics without sockets."""

from __future__ import annotations

import asyncio

import pytest

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.http import (
    LOOPBACK,
    TRUSTED_USER,
    AnyResponse,
    Frame,
    Request,
    Response,
    Sink,
    StreamResponse,
)
from apiserver.client.transport import HIGH_WATER, LoopbackTransport


async def echo(request: Request) -> AnyResponse:
    facts = f"{request.method} {request.path} {request.raw_query} {request.headers.get('x-a')}".encode()
    return Response(200, [facts, b" ", await request.body()], "text/plain", [("X-B", "b")])


async def test_a_request_arrives_decoded_and_its_answer_whole() -> None:
    transport = LoopbackTransport(echo)
    response = await transport.send("POST", "/a%20b/c?d=%20", headers=[("X-A", "a")], body=b"body")
    assert (response.status, response.content_type, response.headers["x-b"]) == (200, "text/plain", "b")
    assert await response.read() == b"POST /a b/c d=%20 a body"


async def test_head_has_no_body() -> None:
    response = await LoopbackTransport(echo).send("HEAD", "/")
    assert await response.read() == b""


async def test_the_transport_vouches_for_its_user_and_only_then() -> None:
    async def who(request: Request) -> AnyResponse:
        user = request.connection.get(TRUSTED_USER)
        return Response(200, user.name.encode() if user else b"nobody")

    assert await (await LoopbackTransport(who).send("GET", "/")).read() == LOOPBACK.name.encode()
    assert await (await LoopbackTransport(who, user=None).send("GET", "/")).read() == b"nobody"


def stream_of(count: int, size: int, log: list[str]) -> StreamResponse:
    async def run(sink: Sink) -> None:
        try:
            for number in range(count):
                sink.write(Frame.of(bytes([number]) * size))
                await sink.drain()
                log.append(f"wrote {number}")
        except ConnectionResetError:
            log.append("reset")
            raise

    return StreamResponse(200, run)


async def test_a_stream_comes_piece_by_piece_and_ends() -> None:
    log: list[str] = []

    async def handler(request: Request) -> AnyResponse:
        return stream_of(3, 2, log)

    transport = LoopbackTransport(handler)
    response = await transport.send("GET", "/")
    assert [chunk async for chunk in response.chunks()] == [b"\0\0", b"\1\1", b"\2\2"]
    await transport.aclose()


async def test_a_writer_waits_for_a_slow_reader() -> None:
    log: list[str] = []

    async def handler(request: Request) -> AnyResponse:
        return stream_of(4, HIGH_WATER, log)

    transport = LoopbackTransport(handler)
    response = await transport.send("GET", "/")
    for _ in range(10):
        await asyncio.sleep(0)
    assert log == ["wrote 0"]
    assert len(await response.read()) == 4 * HIGH_WATER
    await transport.aclose()
    assert log == [f"wrote {n}" for n in range(4)]


async def test_a_reader_that_leaves_resets_the_writer() -> None:
    log: list[str] = []

    async def handler(request: Request) -> AnyResponse:
        return stream_of(100, HIGH_WATER, log)

    transport = LoopbackTransport(handler)
    async with await transport.send("GET", "/") as response:
        assert response.status == 200
    for _ in range(10):
        await asyncio.sleep(0)
    assert log[-1] == "reset"
    await transport.aclose()


def test_a_stream_in_virtual_time_costs_no_time() -> None:
    async def main() -> float:
        async def run(sink: Sink) -> None:
            for _ in range(3):
                await asyncio.sleep(3600)
                sink.write(Frame.of(b"tick"))

        async def handler(request: Request) -> AnyResponse:
            return StreamResponse(200, run)

        transport = LoopbackTransport(handler)
        response = await transport.send("GET", "/")
        assert await response.read() == b"tick" * 3
        await transport.aclose()
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(3 * 3600)
