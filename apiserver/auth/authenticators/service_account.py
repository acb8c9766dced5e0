"""Service-account tokens: bound ones (TokenRequest) and the legacy ones kept in Secrets.

Signatures are checked once per token and remembered; what the token is bound to is looked up on every request, so that
deleting a pod ends its tokens at once. Mirrors upstream pkg/serviceaccount/{jwt,claims,legacy}.go, with its messages.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from apiserver.apimachinery.clock import Clock, parse_rfc3339
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.http import UserInfo
from apiserver.apimachinery.objects import Object, labels_of
from apiserver.apimachinery.objects import get as dig
from apiserver.auth.interface import AuthenticationError
from apiserver.auth.jwt import CRYPTO_FAILURE, KeySet, Token, parse
from apiserver.auth.serviceaccount import LEGACY_ISSUER, split_username, user_info
from apiserver.auth.text import go_quote, go_quotes

LEEWAY = 60.0  # seconds of clock skew, as go-jose's DefaultLeeway
INVALIDATED = "service account token has been invalidated"
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"
LAST_USED = "kubernetes.io/legacy-token-last-used"
MAX_REMEMBERED = 1024  # tokens; some kB each

# Finds an object by resource, namespace and name: from memory, or from storage where memory lags.
Read = Callable[[GroupResource, str, str], Awaitable[Object | None]]

SERVICE_ACCOUNTS, PODS = GroupResource("", "serviceaccounts"), GroupResource("", "pods")
SECRETS, NODES = GroupResource("", "secrets"), GroupResource("", "nodes")


@dataclass
class VerifiedTokens:
    """Checks signatures, and remembers which tokens had a good one."""

    keys: KeySet
    _known: dict[str, Token] = field(default_factory=dict)

    def verified(self, text: str, issuers: tuple[str, ...]) -> Token | None:
        """None where one of other issuers has to be asked; raises AuthenticationError for a bad signature."""
        known = self._known.get(text)
        if known is not None:
            return known if known.claims["iss"] in issuers else None
        token = parse(text)
        if token is None or token.claims.get("iss") not in issuers:
            return None
        candidates = self.keys.candidates(token)
        if not candidates:
            raise AuthenticationError("invalid signature, no keys found")
        if not any(key.verify(token) for key in candidates):
            raise AuthenticationError(CRYPTO_FAILURE)
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        self._known[text] = token
        return token


def common_audiences(token: Token, asked: tuple[str, ...], implicit: tuple[str, ...]) -> tuple[str, ...]:
    """The audiences both sides mean; a token that names none is good for the API server's own."""
    named = token.claims.get("aud") or ()
    own = (named,) if isinstance(named, str) else tuple(str(a) for a in named)
    own = own or implicit
    common = tuple(a for a in own if a in asked)
    if not common and implicit:
        raise AuthenticationError(
            f"token audiences {go_quotes(own)} is invalid for the target audiences {go_quotes(asked)}"
        )
    return common


class BoundServiceAccountTokens:
    """Tokens made by TokenRequest."""

    def __init__(
        self, tokens: VerifiedTokens, issuers: tuple[str, ...], audiences: tuple[str, ...], clock: Clock, read: Read
    ) -> None:
        self._tokens = tokens
        self._issuers = issuers
        self._implicit = audiences
        self._clock = clock
        self._read = read

    async def authenticate_token(
        self, token: str, audiences: tuple[str, ...]
    ) -> tuple[UserInfo, tuple[str, ...]] | None:
        verified = self._tokens.verified(token, self._issuers)
        if verified is None:
            return None
        good_for = common_audiences(verified, audiences, self._implicit)
        return await self._validate(verified.claims), good_for

    async def _validate(self, claims: dict[str, Any]) -> UserInfo:
        self._check_times(claims)
        own = claims.get("kubernetes.io") or {}
        namespace = str(own.get("namespace") or "")
        account = own.get("serviceaccount") or {}
        await self._check_account(namespace, account)
        if (secret := own.get("secret")) is not None:
            await self._check_bound(SECRETS, "secret", namespace, secret)
        pod, node = own.get("pod"), own.get("node")
        if pod is not None:
            await self._check_bound(PODS, "pod", namespace, pod)
        elif node is not None:
            await self._check_bound(NODES, "node", "", node)
        return user_info(
            namespace,
            account.get("name") or "",
            account.get("uid") or "",
            pod=_pair(pod),
            node=_pair(node),
            token_id=claims.get("jti") or "",
        )

    def _check_times(self, claims: dict[str, Any]) -> None:
        now = self._clock.now()
        if now + LEEWAY < (claims.get("nbf") or 0):
            raise AuthenticationError("service account token is not valid yet")
        if (expiry := claims.get("exp")) is not None and now - LEEWAY > expiry:
            raise AuthenticationError("service account token has expired")
        if now + LEEWAY < (claims.get("iat") or 0):
            raise AuthenticationError("service account token is issued in the future")

    async def _check_account(self, namespace: str, ref: dict[str, str]) -> None:
        name = ref.get("name") or ""
        account = await self._read(SERVICE_ACCOUNTS, namespace, name)
        if account is None:
            raise AuthenticationError(f'serviceaccounts "{name}" not found')
        uid = account["metadata"].get("uid") or ""
        if uid != (ref.get("uid") or ""):
            raise AuthenticationError(f"service account UID ({uid}) does not match claim ({ref.get('uid') or ''})")
        if self._deleted(account):
            raise AuthenticationError(f"service account {namespace}/{name} has been deleted")

    async def _check_bound(self, resource: GroupResource, what: str, namespace: str, ref: dict[str, str]) -> None:
        obj = await self._read(resource, namespace, ref.get("name") or "")
        if obj is None:
            raise AuthenticationError(INVALIDATED)
        uid = obj["metadata"].get("uid") or ""
        if uid != (ref.get("uid") or ""):
            raise AuthenticationError(
                f"{what} UID ({uid}) does not match service account {what} ref claim ({ref.get('uid') or ''})"
            )
        if self._deleted(obj):
            raise AuthenticationError(INVALIDATED)

    def _deleted(self, obj: Object) -> bool:
        """Deletion counts when it lies further back than clocks may differ."""
        when = obj["metadata"].get("deletionTimestamp")
        return bool(when) and parse_rfc3339(when) < self._clock.now() - LEEWAY


def _pair(ref: dict[str, str] | None) -> tuple[str, str] | None:
    return None if ref is None else (ref.get("name") or "", ref.get("uid") or "")


_LEGACY_CLAIMS = (
    ("namespace", "kubernetes.io/serviceaccount/namespace"),
    ("secretName", "kubernetes.io/serviceaccount/secret.name"),
    ("serviceAccountName", "kubernetes.io/serviceaccount/service-account.name"),
    ("serviceAccountUID", "kubernetes.io/serviceaccount/service-account.uid"),
)


class LegacyServiceAccountTokens:
    """Tokens kept in Secrets of type kubernetes.io/service-account-token. They do not expire; the Secret is their life."""

    def __init__(
        self,
        tokens: VerifiedTokens,
        audiences: tuple[str, ...],
        read: Read,
        *,
        lookup: bool = True,
        mark_used: Callable[[Object], Awaitable[None]] | None = None,
    ) -> None:
        self._tokens = tokens
        self._implicit = audiences
        self._read = read
        self._lookup = lookup
        self._mark_used = mark_used

    async def authenticate_token(
        self, token: str, audiences: tuple[str, ...]
    ) -> tuple[UserInfo, tuple[str, ...]] | None:
        verified = self._tokens.verified(token, (LEGACY_ISSUER,))
        if verified is None:
            return None
        good_for = common_audiences(verified, audiences, self._implicit)
        return await self._validate(token, verified.claims), good_for

    async def _validate(self, token: str, claims: dict[str, Any]) -> UserInfo:
        subject = claims.get("sub") or ""
        if not subject:
            raise AuthenticationError("sub claim is missing")
        own = {name: claims.get(key) or "" for name, key in _LEGACY_CLAIMS}
        for name, value in own.items():
            if not value:
                raise AuthenticationError(f"{name} claim is missing")
        if split_username(subject) != (own["namespace"], own["serviceAccountName"]):
            raise AuthenticationError("sub claim is invalid")
        if self._lookup:
            await self._check_objects(token, own)
        return user_info(own["namespace"], own["serviceAccountName"], own["serviceAccountUID"])

    async def _check_objects(self, token: str, own: dict[str, str]) -> None:
        namespace, secret_name, name = own["namespace"], own["secretName"], own["serviceAccountName"]
        secret = await self._read(SECRETS, namespace, secret_name)
        if secret is None or secret["metadata"].get("deletionTimestamp"):
            raise AuthenticationError("Token has been invalidated")
        stored = base64.b64decode(dig(secret, "data", "token", default=""))
        if not hmac.compare_digest(stored, token.encode()):
            raise AuthenticationError("Token does not match server's copy")
        await self._check_account(namespace, name, own["serviceAccountUID"])
        if self._mark_used is not None:
            await self._mark_used(secret)
        if labels_of(secret).get(INVALID_SINCE):
            raise AuthenticationError(
                f"the token in secret {namespace}/{secret_name} for service account {namespace}/{name} has been marked "
                "invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the "
                f"'{INVALID_SINCE}' label from the secret to temporarily allow use of this token"
            )

    async def _check_account(self, namespace: str, name: str, uid: str) -> None:
        account = await self._read(SERVICE_ACCOUNTS, namespace, name)
        if account is None:
            raise AuthenticationError(f"serviceaccounts {go_quote(name)} not found")
        if account["metadata"].get("deletionTimestamp"):
            raise AuthenticationError(f"ServiceAccount {namespace}/{name} has been deleted")
        if (now := account["metadata"].get("uid") or "") != uid:
            raise AuthenticationError(f"ServiceAccount UID ({now}) does not match claim ({uid})")
