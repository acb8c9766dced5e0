"""A lane to the server: so many requests at once, so that a client's connections stay few.

A burst (500 pods to create) without one opens hundreds of TLS connections, each a handshake of 2 ms on both sides and 50 kB of
the server's memory from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from apiserver.client.interface import Transport, TransportResponse

WATCHES = "watch=true"
LEASES = "/apis/coordination.k8s.io/"  # a leader that waits behind its own burst loses the lead


class Lane:
    """A Transport over another one; closing it is the other's business. What has one of `beside` in it does not wait."""

    def __init__(self, transport: Transport, most: int, beside: Sequence[str] = (WATCHES,)) -> None:
        self._transport = transport
        self._beside = beside
        self._free = asyncio.Semaphore(most)

    async def send(
        self, method: str, target: str, *, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> TransportResponse:
        if any(part in target for part in self._beside):
            return await self._transport.send(method, target, headers=headers, body=body)
        async with self._free:
            return await self._transport.send(method, target, headers=headers, body=body)

    async def aclose(self) -> None:
        """The transport is shared."""
