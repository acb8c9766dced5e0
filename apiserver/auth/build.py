"""From flags to policy: which authenticators and authorizers a server has, in upstream's order.

Mirrors upstream pkg/kubeapiserver/authenticator/config.go and pkg/kubeapiserver/authorizer/config.go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object
from apiserver.auth.authenticators.anonymous import AnonymousAuthenticator
from apiserver.auth.authenticators.bearer import BearerAuthenticator, ExtraSpace, WebSocketAuthenticator
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
from apiserver.auth.authorizers.modes import MODES
from apiserver.auth.authorizers.policy import Policy
from apiserver.auth.authorizers.rbac import RBACAuthorizer
from apiserver.auth.authorizers.resolver import RuleResolver
from apiserver.auth.authorizers.simple import PathAuthorizer, Superusers
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
    options: Mapping[str, Any] = field(default_factory=dict)  # the server's, by name: for what is not above

    @property
    def audiences(self) -> tuple[str, ...]:
        return self.api_audiences or self.service_account_issuers


class Authentication(NamedTuple):
    """What a server needs: one for requests, one for TokenReview (it is Dependencies.authenticator)."""

    requests: Authenticator
    tokens: TokenAuthenticator
    audiences: tuple[str, ...]  # the API server's own


def build_authenticator(config: AuthenticationConfig) -> Authentication:
    token_members = [member for make in TOKENS for member in make(config)]
    tokens = UnionTokenAuthenticator(token_members)
    members = [member for make in REQUESTS for member in make(config, tokens)]
    otherwise = AnonymousAuthenticator() if config.anonymous else None
    reviewer = TokenReviewer(tokens, config.audiences, anonymous=config.anonymous)
    return Authentication(UnionAuthenticator(members, otherwise), reviewer, config.audiences)


def _warners(config: AuthenticationConfig, tokens: TokenAuthenticator) -> Iterator[Authenticator]:
    yield ExtraSpace()


def _front_proxies(config: AuthenticationConfig, tokens: TokenAuthenticator) -> Iterator[Authenticator]:
    if config.request_header is not None:
        yield RequestHeaderAuthenticator(config.request_header, config.clock)


def _client_certificates(config: AuthenticationConfig, tokens: TokenAuthenticator) -> Iterator[Authenticator]:
    if config.client_ca_pem:
        yield ClientCertificateAuthenticator(config.clock, _pool(config))


def _bearers(config: AuthenticationConfig, tokens: TokenAuthenticator) -> Iterator[Authenticator]:
    yield BearerAuthenticator(tokens, config.audiences)
    yield WebSocketAuthenticator(tokens, config.audiences)


def _pool(config: AuthenticationConfig) -> IssuerPool | None:
    """Only where the front trusts a second authority does it matter which of them signed."""
    proxies = config.request_header
    if proxies is None or proxies.client_ca_pem.strip() == config.client_ca_pem.strip():
        return None
    return IssuerPool(config.client_ca_pem, proxies.client_ca_pem)


def _static_tokens(config: AuthenticationConfig) -> Iterator[TokenAuthenticator]:
    if config.token_auth_file:
        yield StaticTokens(read_token_file(config.token_auth_file), config.audiences)


def _service_accounts(config: AuthenticationConfig) -> Iterator[TokenAuthenticator]:
    if not config.service_account_key_pems or config.read is None:
        return
    verified = VerifiedTokens(KeySet(config.service_account_key_pems))
    yield LegacyServiceAccountTokens(
        verified,
        config.audiences,
        config.read,
        lookup=config.service_account_lookup,
        mark_used=config.mark_secret_used,
    )
    if issuers := config.service_account_issuers:
        yield BoundServiceAccountTokens(verified, issuers, config.audiences, config.clock, config.read)


# Who is asked, in upstream's order; each makes what the flags want of it.
REQUESTS: tuple[Callable[[AuthenticationConfig, TokenAuthenticator], Iterator[Authenticator]], ...] = (
    _warners,
    _front_proxies,
    _client_certificates,
    _bearers,
)
TOKENS: tuple[Callable[[AuthenticationConfig], Iterator[TokenAuthenticator]], ...] = (_static_tokens, _service_accounts)


def lister_reader(listers: Callable[[], Listers], live: Read | None = None) -> Read:
    """Reads from memory; where nothing is there and `live` is given, from storage: memory may lag by moments."""

    async def read(resource: GroupResource, namespace: str, name: str) -> Object | None:
        found = listers()(resource).get(namespace, name)
        if found is None and live is not None:
            return await live(resource, namespace, name)
        return found

    return read


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
    asked = [(mode, _mode(mode)(listers, rbac)) for mode in modes]
    members += [(mode.lower(), authorizer) for mode, authorizer in asked]
    resolver = RuleResolver(authorizer for _, authorizer in asked)
    return Authorization(UnionAuthorizer(members), resolver, rbac.policy)


def _mode(name: str) -> Callable[[Listers, RBACAuthorizer], Authorizer]:
    if name not in MODES:
        raise ValueError(f'authorization-mode "{name}" is not a valid mode; valid are {", ".join(MODES)}')
    return MODES[name]
