"""The way to etcd: its JSON gateway over etcd3-py's client in raw mode, over several endpoints.

Of etcd3-py the request path is used (`call_rpc(raw=True)`: addresses, token, headers). Its construction is our own: it
would ask for the version with a blocking request, build its object model, and know only TLS with client certificates.
Its stream reader does not work with current aiohttp.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from etcd3.aio_client import AioClient

from apiserver.storage.etcd.errors import UNAVAILABLE, RpcError, Unreachable
from apiserver.storage.etcd.tls import TLS
from apiserver.storage.interface import Unavailable

CONNECT_TIMEOUT = 2.0  # seconds until the next endpoint gets its turn
FIRST_DELAY, LONGEST_DELAY = 0.05, 0.5  # between rounds over all endpoints
LARGEST_BODY = 1 << 20  # that aiohttp takes as bytes without a warning
LARGEST_CHUNK = 1 << 20  # of a stream, read at once


class _Client(AioClient):  # type: ignore[misc]
    """One endpoint."""

    def __init__(self, url: str, session: aiohttp.ClientSession, timeout: aiohttp.ClientTimeout) -> None:
        self.url = url
        self.session = session
        self.timeout = timeout
        self.token: str | None = None
        self.user_agent = "pocketkube"
        self.headers: dict[str, str] = {}

    def _url(self, method: str, prefix: bool = True) -> str:
        return f"{self.url}/v3{method}"

    async def call(self, method: str, body: bytes, token: str | None) -> Any:
        self.token = token
        data = body if len(body) <= LARGEST_BODY else BytesIO(body)
        try:
            async with self.call_rpc(method, data, raw=True) as response:
                content = await response.read()
                status = response.status
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as e:
            raise Unreachable(f"etcd at {self.url} cannot be reached: {_reason(e)}", sent=False) from e
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            raise Unreachable(f"etcd at {self.url} did not answer: {_reason(e)}", sent=True) from e
        return _read(content, status, self.url)

    @asynccontextmanager
    async def stream(self, method: str, body: bytes, token: str | None) -> AsyncIterator[AsyncIterator[Any]]:
        self.token = token
        try:
            request = self.call_rpc(method, body, raw=True, timeout=aiohttp.ClientTimeout(total=None))
            async with asyncio.timeout(self.timeout.total):
                response = await request
            async with response:
                if response.status != 200:
                    _read(await response.read(), response.status, self.url)
                yield _Messages(response.content, self.url)
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            raise Unreachable(f"the stream from etcd at {self.url} broke: {_reason(e)}", sent=True) from e


def _reason(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or str(error.os_error)
    return str(error) or type(error).__name__


def _read(content: bytes, status: int, url: str) -> Any:
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise Unreachable(f"etcd at {url} answers {status} without JSON: is it an etcd?", sent=True) from None
    if status != 200:
        raise RpcError(answer.get("code", UNAVAILABLE), answer.get("message") or answer.get("error") or str(status))
    return answer


class _Messages:
    """The messages of a stream: one JSON object per line. A cancelled wait may be taken up again."""

    def __init__(self, content: aiohttp.StreamReader, url: str) -> None:
        self._content = content
        self._url = url
        self._begun: list[bytes] = []  # of the line that is not complete
        self._lines: deque[bytes] = deque()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        while not self._lines:
            chunk = await self._content.read(LARGEST_CHUNK)
            if not chunk:
                raise Unreachable(f"etcd at {self._url} ended the stream", sent=True)
            self._take(chunk)
        message = orjson.loads(self._lines.popleft())
        if error := message.get("error"):
            raise RpcError(error.get("grpc_code") or error.get("code") or UNAVAILABLE, error.get("message", ""))
        return message["result"]

    def _take(self, chunk: bytes) -> None:
        *ends, begun = chunk.split(b"\n")
        for end in ends:
            self._begun.append(end)
            self._lines.append(b"".join(self._begun))
            self._begun = []
        self._begun.append(begun)


class Gateway:
    """Calls go to one endpoint until it fails; then the next one gets its turn."""

    def __init__(
        self, endpoints: Sequence[str], *, tls: TLS | None, user: str, password: str, timeout: float
    ) -> None:  # fmt: skip
        urls = [_checked(endpoint, tls) for endpoint in endpoints]
        if not urls:
            raise Unavailable("etcd: no endpoints given")
        context = tls.context() if tls else True
        connector = aiohttp.TCPConnector(limit=0, ssl=context, keepalive_timeout=60)
        self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=min(CONNECT_TIMEOUT, timeout))
        self._clients = [_Client(url, self._session, limits) for url in urls]
        self._current = 0
        self._timeout = timeout
        self._user, self._password = user, password
        self._token: str | None = None
        self._authenticating = asyncio.Lock()
        self.calls = 0
        self.failures = 0

    @property
    def endpoint(self) -> str:
        return str(self._clients[self._current].url)

    async def call(self, method: str, body: bytes, *, repeatable: bool) -> Any:
        """One call; what is not `repeatable` is never sent twice. Raises RpcError, Unreachable, Unavailable."""
        self.calls += 1
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        failures, delay = 0, FIRST_DELAY
        error: Unavailable
        while True:
            if self._session.closed:
                raise Unavailable("etcd: the connection is closed")
            client = self._clients[self._current]
            try:
                return await self._authenticated(client, method, body)
            except RpcError as e:
                if not e.is_temporary:
                    raise
                error, again = Unavailable(f"etcd: {e.message}"), repeatable
            except Unreachable as e:
                error, again = e, repeatable or not e.sent
            self._leave(client)
            failures += 1
            pause = delay if failures % len(self._clients) == 0 else 0.0
            if not again or loop.time() + pause >= deadline:
                raise error
            if pause:
                await asyncio.sleep(pause)
                delay = min(2 * delay, LONGEST_DELAY)

    @asynccontextmanager
    async def stream(self, method: str, body: bytes) -> AsyncIterator[AsyncIterator[Any]]:
        """A call with a stream of answers, from one endpoint. Raises RpcError, Unreachable."""
        client = self._clients[self._current]
        try:
            token = await self._valid_token(client)
            async with client.stream(method, body, token) as messages:
                yield messages
        except RpcError as e:
            if e.wants_token:
                self._forget(token)
            raise
        except Unreachable:
            self._leave(client)
            raise

    async def close(self) -> None:
        await self._session.close()

    def _leave(self, client: _Client) -> None:
        self.failures += 1
        if self._clients[self._current] is client:
            self._current = (self._current + 1) % len(self._clients)

    async def _authenticated(self, client: _Client, method: str, body: bytes) -> Any:
        token = await self._valid_token(client)
        try:
            return await client.call(method, body, token)
        except RpcError as e:
            if not self._user or not e.wants_token:
                raise
        self._forget(token)  # etcd has not done anything yet
        return await client.call(method, body, await self._valid_token(client))

    async def _valid_token(self, client: _Client) -> str | None:
        if not self._user or self._token is not None:
            return self._token
        async with self._authenticating:
            if self._token is None:
                body = orjson.dumps({"name": self._user, "password": self._password})
                try:
                    answer = await client.call("/auth/authenticate", body, None)
                except RpcError as e:
                    if e.is_temporary:
                        raise
                    raise Unavailable(f"etcd refuses the user {self._user}: {e.message}") from e
                except Unreachable as e:
                    raise Unreachable(str(e), sent=False) from e  # the call itself has not been sent
                self._token = answer["token"]
        return self._token

    def _forget(self, token: str | None) -> None:
        if self._token == token:
            self._token = None


def _checked(endpoint: str, tls: TLS | None) -> str:
    url = endpoint.strip()
    if "://" not in url:
        url = f"{'https' if tls else 'http'}://{url}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise Unavailable(f"etcd: {endpoint} is not an http:// or https:// address")
    return f"{parts.scheme}://{parts.netloc}"
