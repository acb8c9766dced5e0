"""HTTP semantics without sockets: requests go straight to a Handler, for tests and for components in one process.

`LoopbackTransport.send` gives a LoopbackResponse at the head of the answer; a stream's body follows piece by piece,
with back-pressure, until it ends or the reader closes it. Nothing here waits for real time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from apiserver.apimachinery.http import (
    LOOPBACK,
    TRUSTED_USER,
    Frame,
    Handler,
    Headers,
    Request,
    Response,
    StreamResponse,
    UserInfo,
    decode_path,
)
from apiserver.apimachinery.tasks import TaskOwner

HIGH_WATER = 64 * 1024  # bytes a reader may lag behind before `drain` waits


class LoopbackSink:
    """The Sink of one streaming answer: a queue of payloads between its writer and its reader."""

    def __init__(self) -> None:
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._closed = asyncio.Event()  # the reader has gone
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def write(self, frame: Frame) -> None:
        if self._closed.is_set():
            return
        self._queue.append(frame.payload)
        self._size += len(frame.payload)
        self._readable.set()
        if self._size > HIGH_WATER:
            self._writable.clear()

    def buffered(self) -> int:
        return self._size

    async def drain(self) -> None:
        await self._writable.wait()
        if self._closed.is_set():
            raise ConnectionResetError("the reader has gone")

    async def wait_closed(self) -> None:
        await self._closed.wait()

    def end(self) -> None:
        """No more will be written."""
        self._ended = True
        self._readable.set()

    def close(self) -> None:
        """The reader goes away."""
        self._closed.set()
        self._queue.clear()
        self._size = 0
        self._writable.set()
        self.end()

    async def read(self) -> bytes | None:
        """The next payload, or None at the end."""
        while not self._queue:
            if self._ended:
                return None
            self._readable.clear()
            await self._readable.wait()
        payload = self._queue.popleft()
        self._size -= len(payload)
        if self._size <= HIGH_WATER:
            self._writable.set()
        return payload


class LoopbackResponse:
    """An answer: its head at once, its body by `read()` (all of it) or `chunks()` (as it comes)."""

    def __init__(self, status: int, headers: Headers, content_type: str, pieces: Sequence[bytes] = ()) -> None:
        self.status = status
        self.headers = headers
        self.content_type = content_type
        self._pieces = list(pieces)
        self._sink: LoopbackSink | None = None

    @classmethod
    def streaming(cls, response: StreamResponse, sink: LoopbackSink) -> LoopbackResponse:
        streamed = cls(response.status, Headers(response.headers), response.content_type)
        streamed._sink = sink
        return streamed

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        while self._sink is not None and (payload := await self._sink.read()) is not None:
            yield payload

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    async def aclose(self) -> None:
        """Stop reading; the writer learns it by its Sink."""
        if self._sink is not None:
            self._sink.close()

    async def __aenter__(self) -> LoopbackResponse:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()


class LoopbackTransport:
    """Sends requests to `handler` as `user` (None: nobody vouches, the authenticators decide)."""

    def __init__(self, handler: Handler, *, user: UserInfo | None = LOOPBACK) -> None:
        self._handler = handler
        self._connection = {TRUSTED_USER: user} if user is not None else {}
        self._tasks = TaskOwner("loopback transport")

    async def send(
        self,
        method: str,
        target: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        client_certificate: bytes | None = None,
    ) -> LoopbackResponse:
        """`target` is a path with its query, percent-encoded as on the wire."""
        path, _, query = target.partition("?")
        request = Request(
            method,
            decode_path(path),
            query,
            Headers(headers),
            read_body=_reader(body),
            client_certificate=client_certificate,
            remote="127.0.0.1",
            connection=dict(self._connection),
        )
        response = await self._handler(request)
        if isinstance(response, Response):
            body_pieces = [response.body] if isinstance(response.body, bytes) else list(response.body)
            if method == "HEAD":
                body_pieces = []
            return LoopbackResponse(response.status, Headers(response.headers), response.content_type, body_pieces)
        if isinstance(response, StreamResponse):
            return self._stream(response)
        raise TypeError("the loopback transport cannot upgrade a connection")

    def _stream(self, response: StreamResponse) -> LoopbackResponse:
        sink = LoopbackSink()
        self._tasks.create_task(_run(response, sink), name="loopback-stream")
        return LoopbackResponse.streaming(response, sink)

    async def aclose(self) -> None:
        await self._tasks.close()


def _reader(body: bytes) -> Callable[[], Awaitable[bytes]]:
    async def read() -> bytes:
        return body

    return read


async def _run(response: StreamResponse, sink: LoopbackSink) -> None:
    try:
        await response.run(sink)
    except ConnectionResetError:
        pass  # the reader has gone: how streams end
    finally:
        sink.end()
