"""From flags to policy: which authenticators and authorizers a server has, in upstream's order.

Mirrors upstream pkg/kubeapiserver/authenticator/config.go and pkg/kubeapiserver/authorizer/config.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from apiserver.apimachinery.clock import Clock
from apiserver.auth.authenticators.anonymous import AnonymousAuthenticator
from apiserver.auth.authenticators.bearer import BearerAuthenticator, WebSocketAuthenticator
from apiserver.auth.authenticators.chains import IssuerPool
from apiserver.auth.authenticators.request_header import RequestHeaderAuthenticator, RequestHeaderOptions
from apiserver.auth.authenticators.token_file import StaticTokens, read_token_file
from apiserver.auth.authenticators.x509 import ClientCertificateAuthenticator
from apiserver.auth.authorizers.simple import AlwaysAllow, AlwaysDeny, PathAuthorizer, Superusers
from apiserver.auth.interface import Authenticator, Authorizer, TokenAuthenticator
from apiserver.auth.union import UnionAuthenticator, UnionAuthorizer, UnionTokenAuthenticator


@dataclass(frozen=True, kw_only=True)
class AuthenticationConfig:
    """The flags of authentication."""

    clock: Clock
    client_ca_pem: bytes = b""  # --client-ca-file; the front has to verify clients against it
    request_header: RequestHeaderOptions | None = None
    token_auth_file: str = ""
    api_audiences: tuple[str, ...] = ()
    anonymous: bool = True


class Authentication(NamedTuple):
    """What a server needs: one for requests, one for TokenReview (None: no token is ever known)."""

    requests: Authenticator
    tokens: TokenAuthenticator | None


def build_authenticator(config: AuthenticationConfig) -> Authentication:
    members: list[Authenticator] = []
    if config.request_header is not None:
        members.append(RequestHeaderAuthenticator(config.request_header, config.clock))
    if config.client_ca_pem:
        members.append(ClientCertificateAuthenticator(config.clock, _pool(config)))
    tokens = _tokens(config)
    if tokens is not None:
        members.append(BearerAuthenticator(tokens, config.api_audiences))
        members.append(WebSocketAuthenticator(tokens, config.api_audiences))
    return Authentication(UnionAuthenticator(members, AnonymousAuthenticator() if config.anonymous else None), tokens)


def _pool(config: AuthenticationConfig) -> IssuerPool | None:
    """Only where the front trusts a second authority does it matter which of them signed."""
    proxies = config.request_header
    if proxies is None or proxies.client_ca_pem.strip() == config.client_ca_pem.strip():
        return None
    return IssuerPool(config.client_ca_pem)


def _tokens(config: AuthenticationConfig) -> TokenAuthenticator | None:
    members: list[TokenAuthenticator] = []
    if config.token_auth_file:
        members.append(StaticTokens(read_token_file(config.token_auth_file), config.api_audiences))
    return UnionTokenAuthenticator(members) if members else None


MODES = ("AlwaysAllow", "AlwaysDeny", "Node", "RBAC")


class Authorization(NamedTuple):
    authorizer: Authorizer


def build_authorizer(modes: Sequence[str], always_allow_paths: tuple[str, ...] = ()) -> Authorization:
    """Raises ValueError for a mode that does not exist."""
    members: list[Authorizer] = [Superusers()]
    if always_allow_paths:
        members.append(PathAuthorizer(always_allow_paths))
    members += [_mode(mode) for mode in modes]
    return Authorization(UnionAuthorizer(members))


def _mode(mode: str) -> Authorizer:
    match mode:
        case "AlwaysAllow":
            return AlwaysAllow()
        case "AlwaysDeny":
            return AlwaysDeny()
    raise ValueError(f'"{mode}" is not a valid mode')
