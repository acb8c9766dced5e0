"""A transport that answers from a script: each request gets the next answer written for its path."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson

from apiserver.apimachinery.http import Headers


class Answer:
    """A status with pieces of a body; a None among the pieces leaves the stream open until it is closed."""

    def __init__(self, status: int, *pieces: Any, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.status = status
        self.headers = Headers(headers)
        self._pieces = pieces
        self._closed = asyncio.Event()

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if piece is None:
                await self._closed.wait()
                return
            yield piece if isinstance(piece, bytes) else orjson.dumps(piece) + b"\n"

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    async def aclose(self) -> None:
        self._closed.set()


class ScriptedTransport:
    """Remembers what was asked; raises where the script holds an exception."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, str, Any]] = []

    async def send(
        self, method: str, target: str, *, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> Answer:
        self.asked.append((method, target, orjson.loads(body) if body else None))
        answer = self._answers.pop(0) if self._answers else Answer(200, None)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def aclose(self) -> None:
        return None
