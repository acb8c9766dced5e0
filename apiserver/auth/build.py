"""From flags to policy: which authenticators and authorizers a server has, in upstream's order.

Mirrors upstream pkg/kubeapiserver/authenticator/config.go and pkg/kubeapiserver/authorizer/config.go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object
from apiserver.auth.authenticators.anonymous import AnonymousAuthenticator
from apiserver.auth.authenticators.bearer import BearerAuthenticator, WebSocketAuthenticator
from apiserver.auth.authenticators.chains import IssuerPool
from apiserver.auth.authenticators.request_header import RequestHeaderAuthenticator, RequestHeaderOptions
from apiserver.auth.authenticators.service_account import (
    BoundServiceAccountTokens,
    LegacyServiceAccountTokens,
    Read,
    VerifiedTokens,
)
from apiserver.auth.authenticators.token_file import StaticTokens, read_token_file
from apiserver.auth.authenticators.x509 import ClientCertificateAuthenticator
from apiserver.auth.authorizers.node import NodeAuthorizer
from apiserver.auth.authorizers.policy import Policy
from apiserver.auth.authorizers.rbac import RBACAuthorizer
from apiserver.auth.authorizers.resolver import RuleResolver
from apiserver.auth.authorizers.simple import AlwaysAllow, AlwaysDeny, PathAuthorizer, Superusers
from apiserver.auth.bootstrap_policy import node_rules
from apiserver.auth.interface import Authenticator, Authorizer, TokenAuthenticator
from apiserver.auth.jwt import KeySet
from apiserver.auth.token_review import TokenReviewer
from apiserver.auth.union import UnionAuthenticator, UnionAuthorizer, UnionTokenAuthenticator
from apiserver.registry.listers import Listers


@dataclass(frozen=True, kw_only=True)
class AuthenticationConfig:
    """The flags of authentication."""

    clock: Clock
    client_ca_pem: bytes = b""  # --client-ca-file; the front has to verify clients against it
    request_header: RequestHeaderOptions | None = None
    token_auth_file: str = ""
    service_account_issuers: tuple[str, ...] = ()  # the first one signs
    service_account_key_pems: tuple[bytes, ...] = ()  # --service-account-key-file, or the signing key
    service_account_lookup: bool = True
    read: Read | None = None  # needed for service accounts; see lister_reader
    mark_secret_used: Callable[[Object], Awaitable[None]] | None = None  # labels a legacy token's Secret; see last_used
    api_audiences: tuple[str, ...] = ()  # default: the issuers
    anonymous: bool = True

    @property
    def audiences(self) -> tuple[str, ...]:
        return self.api_audiences or self.service_account_issuers


class Authentication(NamedTuple):
    """What a server needs: one for requests, one for TokenReview (it is Dependencies.authenticator)."""

    requests: Authenticator
    tokens: TokenAuthenticator
    audiences: tuple[str, ...]  # the API server's own


def build_authenticator(config: AuthenticationConfig) -> Authentication:
    members: list[Authenticator] = []
    if config.request_header is not None:
        members.append(RequestHeaderAuthenticator(config.request_header, config.clock))
    if config.client_ca_pem:
        members.append(ClientCertificateAuthenticator(config.clock, _pool(config)))
    tokens = _tokens(config)
    members.append(BearerAuthenticator(tokens, config.audiences))
    members.append(WebSocketAuthenticator(tokens, config.audiences))
    otherwise = AnonymousAuthenticator() if config.anonymous else None
    reviewer = TokenReviewer(tokens, config.audiences, anonymous=config.anonymous)
    return Authentication(UnionAuthenticator(members, otherwise), reviewer, config.audiences)


def _pool(config: AuthenticationConfig) -> IssuerPool | None:
    """Only where the front trusts a second authority does it matter which of them signed."""
    proxies = config.request_header
    if proxies is None or proxies.client_ca_pem.strip() == config.client_ca_pem.strip():
        return None
    return IssuerPool(config.client_ca_pem, proxies.client_ca_pem)


def _tokens(config: AuthenticationConfig) -> TokenAuthenticator:
    members: list[TokenAuthenticator] = []
    if config.token_auth_file:
        members.append(StaticTokens(read_token_file(config.token_auth_file), config.audiences))
    if config.service_account_key_pems and config.read is not None:
        members += _service_accounts(config, config.read)
    return UnionTokenAuthenticator(members)


def _service_accounts(config: AuthenticationConfig, read: Read) -> list[TokenAuthenticator]:
    verified = VerifiedTokens(KeySet(config.service_account_key_pems))
    legacy = LegacyServiceAccountTokens(
        verified,
        config.audiences,
        read,
        lookup=config.service_account_lookup,
        mark_used=config.mark_secret_used,
    )
    issuers = config.service_account_issuers
    if not issuers:
        return [legacy]
    return [legacy, BoundServiceAccountTokens(verified, issuers, config.audiences, config.clock, read)]


def lister_reader(listers: Callable[[], Listers], live: Read | None = None) -> Read:
    """Reads from memory; where nothing is there and `live` is given, from storage: memory may lag by moments."""

    async def read(resource: GroupResource, namespace: str, name: str) -> Object | None:
        found = listers()(resource).get(namespace, name)
        if found is None and live is not None:
            return await live(resource, namespace, name)
        return found

    return read


MODES = ("AlwaysAllow", "AlwaysDeny", "Node", "RBAC")


class Authorization(NamedTuple):
    """One authorizer for requests; `rules` answers SelfSubjectRulesReview; `policy` is RBAC's, for escalation checks."""

    authorizer: Authorizer
    rules: RuleResolver
    policy: Policy


def build_authorizer(modes: Sequence[str], listers: Listers, always_allow_paths: tuple[str, ...] = ()) -> Authorization:
    """Raises ValueError for a mode that does not exist. The listers are read when the first decision needs them."""
    rbac = RBACAuthorizer(listers)
    members: list[tuple[str, Authorizer]] = [("kubernetes.io/system-privileged-group", Superusers())]
    if always_allow_paths:
        members.append(("paths", PathAuthorizer(always_allow_paths)))
    members += [(mode.lower(), _mode(mode, listers, rbac)) for mode in modes]
    return Authorization(UnionAuthorizer(members), RuleResolver(modes, rbac.policy), rbac.policy)


def _mode(mode: str, listers: Listers, rbac: RBACAuthorizer) -> Authorizer:
    match mode:
        case "AlwaysAllow":
            return AlwaysAllow()
        case "AlwaysDeny":
            return AlwaysDeny()
        case "Node":
            return NodeAuthorizer(listers, node_rules)
        case "RBAC":
            return rbac
    raise ValueError(f'authorization-mode "{mode}" is not a valid mode; valid are {", ".join(MODES)}')
