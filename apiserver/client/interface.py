"""What carries a client's requests: HTTP over sockets or the loopback, told apart by nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from apiserver.apimachinery.http import Headers


class TransportResponse(Protocol):
    """An answer whose head is there; close it when its body was not read to the end."""

    status: int
    headers: Headers

    def chunks(self) -> AsyncIterator[bytes]: ...

    async def read(self) -> bytes: ...

    async def aclose(self) -> None: ...


class Transport(Protocol):
    """Sends one request. Raises ConnectionError or TimeoutError when no answer came."""

    async def send(
        self, method: str, target: str, *, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> TransportResponse: ...

    async def aclose(self) -> None: ...
