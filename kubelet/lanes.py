"""A lane to the server: so many requests of a node at once, so that its connections stay few. Watches go beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from apiserver.client.interface import Transport, TransportResponse


class Lane:
    """A Transport over another one; closing it is the other's business."""

    def __init__(self, transport: Transport, most: int) -> None:
        self._transport = transport
        self._free = asyncio.Semaphore(most)

    async def send(
        self, method: str, target: str, *, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> TransportResponse:
        if "watch=true" in target:
            return await self._transport.send(method, target, headers=headers, body=body)
        async with self._free:
            return await self._transport.send(method, target, headers=headers, body=body)

    async def aclose(self) -> None:
        """The transport is shared."""
