"""Requests that end behind this server: at a kubelet, a pod, a service. Dialled, forwarded, their answers streamed through.

Mirrors upstream pkg/kubelet/client (TLS, addresses) and apimachinery/pkg/util/proxy (UpgradeAwareHandler). A WebSocket is carried
message by message; SPDY is not carried.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from apiserver.api.core.rest.kubelets import ADDRESS_TYPES, dial_error
from apiserver.apimachinery.errors import StatusError, go_value, internal_error, service_unavailable
from apiserver.apimachinery.http import AnyResponse, Frame, Request, Response, Sink, StreamResponse, UpgradeResponse

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 30.0  # seconds, as Go's default dialer
# Headers of one hop (RFC 9110, 7.6.1), and those that are the front's business.
HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
NOT_SENT = HOP | {"host", "content-length", "authorization", "accept-encoding"}
NOT_RETURNED = HOP | {"content-length", "content-type", "date"}


@dataclass(frozen=True)
class KubeletTls:
    """Files of --kubelet-client-certificate, --kubelet-client-key, --kubelet-certificate-authority; empty: not given."""

    certificate: str = ""
    key: str = ""
    authority: str = ""

    def context(self) -> ssl.SSLContext:
        """Without an authority the kubelet's certificate is not checked, as upstream."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.authority:
            context.load_verify_locations(self.authority)
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key)
        return context


class Dialer:
    """One server's way out. Sessions are opened when first needed; `aclose` closes them."""

    def __init__(self, tls: KubeletTls | None = None, address_types: Sequence[str] = ADDRESS_TYPES) -> None:
        self._tls = tls or KubeletTls()
        self.address_types = tuple(address_types)
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    def _session(self, *, kubelet: bool) -> aiohttp.ClientSession:
        """To a kubelet with the server's credentials, to anything else with none."""
        import aiohttp

        session = self._sessions.get(kubelet)
        if session is None:
            connector = aiohttp.TCPConnector(
                ssl=(self._tls if kubelet else KubeletTls()).context(), limit=0, resolver=_resolver()
            )
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
            session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
            self._sessions[kubelet] = session
        return session

    async def fetch(self, url: str, netloc: str) -> aiohttp.ClientResponse:
        """GET from a kubelet. Raises StatusError in upstream's words when it does not answer."""
        import aiohttp

        try:
            return await self._session(kubelet=True).get(url, allow_redirects=False)
        except aiohttp.ClientConnectorError as e:
            raise StatusError(500, "", f"Get {go_value(url)}: {dial_error(e.os_error, netloc)}") from e
        except (aiohttp.ClientError, TimeoutError) as e:
            raise StatusError(500, "", f"Get {go_value(url)}: {e}") from e

    async def forward(self, request: Request, url: str, netloc: str, *, kubelet: bool) -> AnyResponse:
        """The request as it is, to another place; its answer as it comes."""
        import aiohttp

        if request.upgrade is not None:
            return await self.upgrade(request, url, netloc, kubelet=kubelet)
        headers = [(name, value) for name, value in request.headers.pairs() if name not in NOT_SENT]
        if request.remote:
            headers.append(("X-Forwarded-For", request.remote))
        try:
            answer = await self._session(kubelet=kubelet).request(
                request.method, _raw(url), headers=headers, data=await request.body() or None, allow_redirects=False
            )
        except aiohttp.ClientConnectorError as e:
            why = dial_error(e.os_error, netloc)
            raise service_unavailable(f"error trying to reach service: {why}") from e
        except (aiohttp.ClientError, TimeoutError, ssl.SSLError) as e:
            raise service_unavailable(f"error trying to reach service: {e}") from e
        return await relay(answer, request.method)

    async def upgrade(self, request: Request, url: str, netloc: str, *, kubelet: bool) -> AnyResponse:
        """Connect first, so that a refusal is an answer; then carry messages both ways until one side ends."""
        import aiohttp

        asked = [word.strip() for word in request.headers.get("sec-websocket-protocol", "").split(",") if word.strip()]
        session = self._session(kubelet=kubelet)
        try:
            if request.upgrade is None:
                return await self._refusal(request, url, kubelet=kubelet)
            backend = await session.ws_connect(_raw(url), protocols=asked, max_msg_size=0, autoclose=True)
        except aiohttp.WSServerHandshakeError:
            return await self._refusal(request, url, kubelet=kubelet)
        except aiohttp.ClientConnectorError as e:
            raise internal_error(f"error dialing backend: {dial_error(e.os_error, netloc)}") from e
        except (aiohttp.ClientError, TimeoutError) as e:
            raise internal_error(f"error dialing backend: {e}") from e
        return UpgradeResponse(lambda front: _carry(front, backend))

    async def _refusal(self, request: Request, url: str, *, kubelet: bool) -> AnyResponse:
        """What the other side says to an upgrade it does not want."""
        protocol = request.headers.get("upgrade", "websocket")
        headers = [(name, value) for name, value in request.headers.pairs() if name not in NOT_SENT]
        headers += [("Connection", "Upgrade"), ("Upgrade", protocol)]
        answer = await self._session(kubelet=kubelet).request(
            request.method, _raw(url), headers=headers, allow_redirects=False
        )
        if answer.status == 101:
            answer.close()
            raise service_unavailable(f"this server carries WebSockets, not {protocol}; use a client that speaks them")
        return await relay(answer, request.method)

    async def aclose(self) -> None:
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()


async def relay(answer: aiohttp.ClientResponse, method: str) -> AnyResponse:
    """An answer of another server as ours: status, headers and body, piece by piece."""
    headers = [(name, value) for name, value in answer.headers.items() if name.lower() not in NOT_RETURNED]
    content_type = answer.headers.get("Content-Type", "")
    if method == "HEAD" or answer.status in (204, 304):
        answer.release()
        return Response(answer.status, b"", content_type, headers)
    return StreamResponse(answer.status, lambda sink: stream(answer, sink), content_type, headers)


async def stream(answer: aiohttp.ClientResponse, sink: Sink) -> None:
    """The body of an answer as it comes, until it ends or nobody reads it any more."""
    reading = asyncio.ensure_future(_pour(answer, sink))
    gone = asyncio.ensure_future(sink.wait_closed())
    try:
        await asyncio.wait((reading, gone), return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            reading.result()
    finally:
        for task in (reading, gone):
            task.cancel()
        await asyncio.gather(reading, gone, return_exceptions=True)
        answer.close()


async def _pour(answer: aiohttp.ClientResponse, sink: Sink) -> None:
    async for piece in answer.content.iter_any():
        sink.write(Frame.of(piece))
        await sink.drain()


async def _carry(front: Any, backend: aiohttp.ClientWebSocketResponse) -> None:
    """Messages both ways; the first end ends both."""
    await front.accept([backend.protocol] if backend.protocol else [])
    text = (backend.protocol or "").startswith("base64")

    async def outwards() -> None:
        while (data := await front.receive()) is not None:
            await (backend.send_str(data.decode()) if text else backend.send_bytes(data))

    async def inwards() -> None:
        async for message in backend:
            if message.type.name == "TEXT":
                await front.send(message.data.encode(), text=True)
            elif message.type.name == "BINARY":
                await front.send(message.data)

    ways = [asyncio.ensure_future(outwards()), asyncio.ensure_future(inwards())]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        await backend.close()
        await front.close()


def _raw(url: str) -> Any:
    """A URL whose path and query are encoded already."""
    from yarl import URL

    return URL(url, encoded=True)


def path_of(request: Request) -> str:
    """What follows `proxy` in a request's path, encoded; empty when nothing does."""
    parts = request.info.parts[3:] if request.info is not None else ()  # behind resource, name and `proxy`
    path = "/" + "/".join(parts) if parts else ""
    return quote(path + "/" if request.path.endswith("/") else path, safe="/:@!$&'()*+,;=~-._")


def with_slash(request: Request) -> Response:
    """The root of what is proxied ends with a slash: the client is sent there."""
    target = request.path + "/" + (f"?{request.raw_query}" if request.raw_query else "")
    body = f'<a href="{target}">Moved Permanently</a>.\n\n'.encode() if request.method == "GET" else b""
    return Response(301, body, "text/html; charset=utf-8", [("Location", target)])


def _resolver() -> Any:
    from aiohttp.resolver import DefaultResolver

    class Resolver(DefaultResolver):  # type: ignore[misc, valid-type]
        """Names under `localhost` are this machine (RFC 6761), whatever the system's resolver thinks."""

        async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> Any:
            known = host == "localhost" or host.endswith(".localhost")
            return await super().resolve("127.0.0.1" if known else host, port, family)

    return Resolver()
