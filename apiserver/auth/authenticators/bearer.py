"""Bearer tokens: from the Authorization header, or from a WebSocket's subprotocols (browsers cannot set headers)."""

from __future__ import annotations

import base64
import binascii

from apiserver.apimachinery.http import Headers, Request, UserInfo
from apiserver.auth.interface import AuthenticationError, TokenAuthenticator

INVALID = "invalid bearer token"
EXTRA_SPACE = "the provided Authorization header contains extra space before the bearer token, and is ignored"
PROTOCOL_HEADER = "sec-websocket-protocol"
PROTOCOL_PREFIX = "base64url.bearer.authorization.k8s.io."


class BearerAuthenticator:
    """`Authorization: Bearer …`. A token nobody knows is an error, not anonymity."""

    def __init__(self, tokens: TokenAuthenticator, audiences: tuple[str, ...]) -> None:
        self._tokens = tokens
        self._audiences = audiences

    async def authenticate(self, request: Request) -> UserInfo | None:
        header = request.headers.get("authorization", "").strip()
        if not header:
            return None
        scheme, _, rest = header.partition(" ")
        token = rest.partition(" ")[0]
        if scheme.lower() != "bearer" or not token:
            return None
        return await check(self._tokens, token, self._audiences)


class ExtraSpace:
    """Warns of `Bearer  …` and knows nobody. Upstream asks the bearer of its own loopback token before all others, so that the
    warning comes whoever the client is by other credentials (authenticatorfactory/loopback.go)."""

    async def authenticate(self, request: Request) -> UserInfo | None:
        header = request.headers.get("authorization", "").strip()
        if header[:8].lower() == "bearer  ":
            request.warnings.append(EXTRA_SPACE)
        return None


class WebSocketAuthenticator:
    """`Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.…, other` (upstream request/websocket)."""

    def __init__(self, tokens: TokenAuthenticator, audiences: tuple[str, ...]) -> None:
        self._tokens = tokens
        self._audiences = audiences

    async def authenticate(self, request: Request) -> UserInfo | None:
        if not is_websocket(request.headers):
            return None
        offered = [p.strip() for value in request.headers.all(PROTOCOL_HEADER) for p in value.split(",")]
        encoded = [p.removeprefix(PROTOCOL_PREFIX) for p in offered if p.startswith(PROTOCOL_PREFIX)]
        if len(encoded) > 1:
            raise AuthenticationError("multiple base64.bearer.authorization tokens specified")
        token = _decode(encoded[0]) if encoded else ""
        if not token:
            return None
        others = [p for p in offered if not p.startswith(PROTOCOL_PREFIX)]
        if not others:
            raise AuthenticationError("missing additional subprotocol")
        user = await check(self._tokens, token, self._audiences)
        rest = [(key, value) for key, value in request.headers.pairs() if key != PROTOCOL_HEADER]
        request.headers = Headers([*rest, (PROTOCOL_HEADER, ",".join(others))])
        return user


def is_websocket(headers: Headers) -> bool:
    return headers.get("upgrade", "").lower() == "websocket" and "upgrade" in headers.get("connection", "").lower()


async def check(tokens: TokenAuthenticator, token: str, audiences: tuple[str, ...]) -> UserInfo:
    """The token's user; raises AuthenticationError where nobody knows it."""
    found = await tokens.authenticate_token(token, audiences)
    if found is None:
        raise AuthenticationError(INVALID)
    return found[0]


def _decode(encoded: str) -> str:
    try:
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as e:
        raise AuthenticationError("invalid base64.bearer.authorization token encoding") from e
    try:
        return raw.decode()
    except UnicodeDecodeError as e:
        raise AuthenticationError("invalid base64.bearer.authorization token") from e
