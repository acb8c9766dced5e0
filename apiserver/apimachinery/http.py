"""Requests and responses as every handler sees them: no framework's, so that any front, or none, can carry them.

A front (aiohttp over TLS, the loopback transport) turns its own messages into a Request and plays a Response back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl, unquote_to_bytes


class UserInfo(NamedTuple):
    """Who asks. Hashable, so that decisions about a user can be memoized."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


ANONYMOUS = UserInfo("system:anonymous", ("system:unauthenticated",))
LOOPBACK = UserInfo("system:apiserver", ("system:authenticated", "system:masters"))
TRUSTED_USER = (
    "trusted-user"  # key in Request.connection: the UserInfo of an in-process caller; no socket front sets it
)


class Headers(Mapping[str, str]):
    """Request headers: keys are lower-case, the first value wins; `all(key)` gives every value."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._pairs = [(key.lower(), value) for key, value in pairs]

    def __getitem__(self, key: str) -> str:
        key = key.lower()
        for name, value in self._pairs:
            if name == key:
                return value
        raise KeyError(key)

    def __iter__(self) -> Any:
        return iter(dict(self._pairs))

    def __len__(self) -> int:
        return len(dict(self._pairs))

    def all(self, key: str) -> list[str]:
        key = key.lower()
        return [value for name, value in self._pairs if name == key]

    def pairs(self) -> list[tuple[str, str]]:
        return list(self._pairs)

    def any_starts_with(self, prefix: str) -> bool:
        """Whether any key begins with `prefix` (lower-case)."""
        return any(name.startswith(prefix) for name, _ in self._pairs)


class Query(Mapping[str, str]):
    """Query parameters: the first value wins, as in Go's url.Values.Get; `all(key)` gives every value.

    Keys are case-sensitive. Pairs Go refuses (a `;`, a bad escape) are dropped, as url.ParseQuery does.
    """

    __slots__ = ("_values",)

    def __init__(self, raw: str) -> None:
        self._values: dict[str, list[str]] = {}
        if raw:
            pairs = parse_qsl(raw, keep_blank_values=True) if ";" not in raw else []
            if ";" in raw:
                for part in raw.split("&"):
                    if ";" not in part:
                        pairs += parse_qsl(part, keep_blank_values=True)
            for key, value in pairs:
                self._values.setdefault(key, []).append(value)

    def __getitem__(self, key: str) -> str:
        return self._values[key][0]

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def all(self, key: str) -> list[str]:
        return self._values.get(key, [])


class RequestInfo(NamedTuple):
    """What a path and method ask for (upstream apiserver/pkg/endpoints/request/requestinfo.go)."""

    is_resource: bool
    verb: str  # get list watch create update patch delete deletecollection; for non-resources the lower-case method
    path: str
    api_prefix: str = ""  # "api" or "apis"
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    parts: tuple[str, ...] = ()  # what follows the resource's name: proxy paths


@dataclass(slots=True)
class Request:
    """One HTTP request. `read_body` gives the whole body, once; it raises a 413 StatusError over the limit."""

    method: str
    path: str  # decoded, without the query
    raw_query: str = ""
    headers: Headers = field(default_factory=Headers)
    read_body: Callable[[], Awaitable[bytes]] | None = None
    client_certificate: bytes | None = None  # DER, verified by the front against the client CA
    remote: str = ""
    connection: dict[str, Any] = field(default_factory=dict)  # lives as long as the connection: the parsed user, …
    # Filled on the way in, in this order:
    audit_id: str = ""
    received: float = 0.0
    info: RequestInfo | None = None
    user: UserInfo = ANONYMOUS
    impersonator: UserInfo | None = None
    warnings: list[str] = field(default_factory=list)  # texts of Warning headers
    upgrade: Any = None  # the front's handle for protocol upgrades (WebSocket), or None
    _query: Query | None = None

    @property
    def query(self) -> Query:
        if self._query is None:
            self._query = Query(self.raw_query)
        return self._query

    async def body(self) -> bytes:
        return await self.read_body() if self.read_body is not None else b""


class Frame(NamedTuple):
    """A piece of a stream in the two forms fronts need: bare, and as one HTTP/1.1 chunk."""

    payload: bytes
    chunk: bytes

    @classmethod
    def of(cls, payload: bytes) -> Frame:
        return cls(payload, b"%x\r\n%b\r\n" % (len(payload), payload))


class Sink(Protocol):
    """Where a streaming response goes. `write` never blocks; it may be called from outside the request's task."""

    def write(self, frame: Frame) -> None: ...

    def buffered(self) -> int:
        """Bytes accepted and not yet taken by the peer (an estimate)."""
        ...

    async def drain(self) -> None:
        """Wait until the peer has taken enough; raises ConnectionResetError when it is gone."""
        ...

    async def wait_closed(self) -> None:
        """Return when the peer has gone."""
        ...


@dataclass(slots=True)
class Response:
    """A finished answer. `body` may be several pieces: they go out in order, none is joined to a giant."""

    status: int
    body: bytes | Sequence[bytes] = b""
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)

    def body_bytes(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else b"".join(self.body)


@dataclass(slots=True)
class StreamResponse:
    """An answer whose body is written by `run(sink)` until it returns; then the stream ends in good order."""

    status: int
    run: Callable[[Sink], Awaitable[None]]
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)


class WebSocket(Protocol):
    """A front's handle for a WebSocket, in `Request.upgrade` where the client asks for one.

    A handler that wants it returns an UpgradeResponse; its `run` gets the handle and calls `accept` first.
    """

    async def accept(self, protocols: Sequence[str] = ()) -> str:
        """Answer the handshake; returns the first of the client's protocols that is among `protocols`, or ""."""
        ...

    def sink(self, *, text: bool) -> Sink:
        """A Sink whose frames go out as messages: text line by line (an event each), binary as a whole."""
        ...

    async def send(self, data: bytes, *, text: bool = False) -> None: ...

    async def receive(self) -> bytes | None:
        """The next message; None when the peer has closed."""
        ...

    async def close(self, code: int = 1000, reason: str = "") -> None: ...


@dataclass(slots=True)
class UpgradeResponse:
    """The front hands the connection to `run(handle)`: its own upgrade handle (a WebSocket, a raw duplex)."""

    run: Callable[[Any], Awaitable[None]]
    headers: list[tuple[str, str]] = field(default_factory=list)


AnyResponse = Response | StreamResponse | UpgradeResponse
Handler = Callable[[Request], Awaitable[AnyResponse]]


def decode_path(raw: str) -> str:
    """Percent-decoding as Go's URL.Path: bytes that are no UTF-8 become replacement characters."""
    return unquote_to_bytes(raw).decode("utf-8", "replace") if "%" in raw else raw
