"""Requests over HTTP/1.1 and TLS with aiohttp's client: keep-alive, no limit on watches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import aiohttp
from yarl import URL

from apiserver.apimachinery.http import Headers
from apiserver.client.config import ClientConfig


class HttpResponse:
    """One answer; `chunks` gives what arrives as it arrives."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = Headers(response.headers.items())

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except aiohttp.ClientError as error:
            raise ConnectionError(str(error)) from error

    async def read(self) -> bytes:
        try:
            return await self._response.read()
        except aiohttp.ClientError as error:
            raise ConnectionError(str(error)) from error

    async def aclose(self) -> None:
        self._response.close()


class HttpTransport:
    """A pool of connections to one server. Close it with `aclose`."""

    def __init__(self, config: ClientConfig) -> None:
        self._config = config
        self._token_file = Path(config.token_file) if config.token_file else None
        context = config.ssl_context() if config.server.startswith("https") else None
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10.0)
        connector = aiohttp.TCPConnector(ssl=context if context is not None else True, limit=0, keepalive_timeout=90)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=True)

    async def send(
        self, method: str, target: str, *, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> HttpResponse:
        """Raises ConnectionError or TimeoutError when no answer came."""
        url = URL(self._config.server + target, encoded=True)
        sent = [*headers, ("Authorization", f"Bearer {token}")] if (token := self._token()) else list(headers)
        name = self._config.server_name or None
        try:
            response = await self._session.request(
                method, url, headers=sent, data=body or None, server_hostname=name, allow_redirects=False
            )
        except aiohttp.ClientError as error:
            raise ConnectionError(str(error)) from error
        return HttpResponse(response)

    def _token(self) -> str:
        return self._token_file.read_text().strip() if self._token_file is not None else self._config.token

    async def aclose(self) -> None:
        await self._session.close()
