"""Service accounts as users: their names, the tokens the server issues for them, and what it publishes about its keys.

Mirrors upstream apiserver/pkg/authentication/serviceaccount and pkg/serviceaccount.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import orjson

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.formats import dns1123_label, dns1123_subdomain
from apiserver.apimachinery.http import UserInfo
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.auth.authenticators.request_header import freeze_extra
from apiserver.auth.authenticators.x509 import CREDENTIAL_ID
from apiserver.auth.jwt import KeySet, SigningKey

USERNAME_PREFIX = "system:serviceaccount:"
ALL_SERVICE_ACCOUNTS = "system:serviceaccounts"
POD_NAME, POD_UID = "authentication.kubernetes.io/pod-name", "authentication.kubernetes.io/pod-uid"
NODE_NAME, NODE_UID = "authentication.kubernetes.io/node-name", "authentication.kubernetes.io/node-uid"

LEGACY_ISSUER = "kubernetes/serviceaccount"
# A kubelet that asks for this many seconds gets a token that lives a year and is watched for late use, as upstream
# pkg/serviceaccount/claims.go: clients of old do not read their token again.
WARN_ONLY_SECONDS = 3607
EXTENDED_SECONDS = 365 * 24 * 3600

JWKS_PATH = "/openid/v1/jwks"
JWKS_CONTENT_TYPE = "application/jwk-set+json"
OPENID_CONFIG_PATH = "/.well-known/openid-configuration"
OPENID_CACHE_CONTROL = "public, max-age=3600"


def username(namespace: str, name: str) -> str:
    return f"{USERNAME_PREFIX}{namespace}:{name}"


def split_username(user: str) -> tuple[str, str] | None:
    """(namespace, name) of a service account's user name, None for any other's."""
    if not user.startswith(USERNAME_PREFIX):
        return None
    parts = user[len(USERNAME_PREFIX) :].split(":")
    if len(parts) != 2 or any(dns1123_label(parts[0])) or any(dns1123_subdomain(parts[1])):
        return None
    return parts[0], parts[1]


def groups(namespace: str) -> tuple[str, ...]:
    return (ALL_SERVICE_ACCOUNTS, f"{ALL_SERVICE_ACCOUNTS}:{namespace}")


def user_info(
    namespace: str,
    name: str,
    uid: str = "",
    *,
    pod: tuple[str, str] | None = None,
    node: tuple[str, str] | None = None,
    token_id: str = "",
) -> UserInfo:
    """The user; `pod` and `node` are (name, uid) of what the token is bound to."""
    extra: dict[str, list[str]] = {}
    if pod is not None and all(pod):
        extra[POD_NAME], extra[POD_UID] = [pod[0]], [pod[1]]
    if token_id:
        extra[CREDENTIAL_ID] = [f"JTI={token_id}"]
    if node is not None and node[0]:
        extra[NODE_NAME] = [node[0]]
        if node[1]:
            extra[NODE_UID] = [node[1]]
    return UserInfo(username(namespace, name), groups(namespace), uid, freeze_extra(extra))


class BoundTo(NamedTuple):
    """What a token lives and dies with: at most one of pod and secret; the node of a pod, or a node alone."""

    pod: Object | None = None
    secret: Object | None = None
    node: Object | None = None


@dataclass(frozen=True, kw_only=True)
class TokenIssuer:
    """Signs tokens for service accounts (TokenRequest)."""

    issuer: str
    key: SigningKey
    clock: Clock
    rand: Random
    audiences: tuple[str, ...]  # the API server's own
    max_expiration: int = 0  # --service-account-max-token-expiration in seconds, 0: none
    extend_expiration: bool = True  # --service-account-extend-token-expiration

    def issue(
        self,
        service_account: Object,
        audiences: Sequence[str],
        expiration: int,
        bound: BoundTo,
        *,
        warn_after: int = 0,
    ) -> str:
        """A token that is good for `expiration` seconds from now."""
        now = int(self.clock.now())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": username(service_account["metadata"]["namespace"], service_account["metadata"]["name"]),
            "aud": list(audiences),
            "iat": now,
            "nbf": now,
            "exp": now + expiration,
            "jti": self.rand.uuid(),
            "kubernetes.io": _kubernetes_claims(service_account, bound),
        }
        if warn_after:
            claims["kubernetes.io"]["warnafter"] = now + warn_after
        return self.key.sign(claims)

    def lifetimes(self, requested: int, audiences: Sequence[str], *, to_pod: bool) -> tuple[int, int]:
        """(seconds until the token expires, seconds until its use is late: 0 for never), as upstream token.go."""
        extendable = self.extend_expiration and to_pod and requested == WARN_ONLY_SECONDS
        if extendable and set(audiences) <= set(self.audiences):
            return EXTENDED_SECONDS, requested
        return requested, 0


def _kubernetes_claims(service_account: Object, bound: BoundTo) -> dict[str, Any]:
    claims: dict[str, Any] = {
        "namespace": service_account["metadata"]["namespace"],
        "serviceaccount": _ref(service_account),
    }
    if bound.pod is not None:
        claims["pod"] = _ref(bound.pod)
    if bound.secret is not None:
        claims["secret"] = _ref(bound.secret)
    if bound.node is not None:
        claims["node"] = _ref(bound.node)
    return claims


def _ref(obj: Object) -> dict[str, str]:
    meta = obj["metadata"]
    return {key: meta[key] for key in ("name", "uid") if meta.get(key)}


@dataclass(frozen=True)
class OpenIDMetadata:
    """The documents by which others verify our tokens: /.well-known/openid-configuration and /openid/v1/jwks."""

    issuer: str
    jwks_uri: str  # --service-account-jwks-uri, or https://<advertised host:port>/openid/v1/jwks
    keys: KeySet

    @cached_property
    def configuration(self) -> bytes:
        algorithms = sorted({key.algorithm for key in self.keys.keys})
        return orjson.dumps(
            {
                "issuer": self.issuer,
                "jwks_uri": self.jwks_uri,
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": algorithms,
            }
        )

    @cached_property
    def jwks(self) -> bytes:
        return orjson.dumps({"keys": [key.jwk() for key in self.keys.keys]})
