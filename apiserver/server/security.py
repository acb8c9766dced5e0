"""Who may do what, from the options: authenticators, authorizers, the issuer of service-account tokens."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.auth.authenticators.last_used import last_used_marker
from apiserver.auth.authenticators.request_header import RequestHeaderOptions
from apiserver.auth.build import (
    Authentication,
    AuthenticationConfig,
    Authorization,
    build_authenticator,
    build_authorizer,
    lister_reader,
)
from apiserver.auth.jwt import KeySet, SigningKey
from apiserver.auth.serviceaccount import OpenIDMetadata, TokenIssuer
from apiserver.registry.listers import Listers
from apiserver.registry.store import Store
from apiserver.server.options import Options

log = logging.getLogger(__name__)

Read = Callable[[GroupResource, str, str], Awaitable[Object | None]]


class Security(NamedTuple):
    authentication: Authentication
    authorization: Authorization
    tokens: TokenIssuer | None
    openid: OpenIDMetadata | None


def build_security(
    options: Options,
    listers: Listers,
    read: Read,
    secrets: Callable[[], Store],
    clock: Clock,
    rand: Random,
    address: str,
) -> Security:
    """`read` reads one object from storage, where memory lags; `address` is the host:port others reach this server under."""
    signing_pem = _read(options, options.service_account_signing_key_file)
    key_pems = tuple(options.read(path) for path in options.service_account_key_file)
    if not key_pems and signing_pem:
        key_pems = (signing_pem,)
    authentication = build_authenticator(
        AuthenticationConfig(
            clock=clock,
            client_ca_pem=_read(options, options.client_ca_file),
            request_header=request_header(options),
            token_auth_file=options.token_auth_file,
            service_account_issuers=options.service_account_issuer,
            service_account_key_pems=key_pems,
            service_account_lookup=options.service_account_lookup,
            read=lister_reader(lambda: listers, read),
            mark_secret_used=last_used_marker(clock, rand, secrets),
            api_audiences=options.api_audiences,
            anonymous=_anonymous(options),
            options=vars(options),
        )
    )
    authorization = build_authorizer(options.authorization_mode, listers)
    tokens = _token_issuer(options, signing_pem, authentication.audiences, clock, rand)
    return Security(authentication, authorization, tokens, _openid(options, key_pems, address))


def _token_issuer(
    options: Options, signing_pem: bytes, audiences: tuple[str, ...], clock: Clock, rand: Random
) -> TokenIssuer | None:
    if not signing_pem or not options.service_account_issuer:
        return None
    return TokenIssuer(
        issuer=options.service_account_issuer[0],
        key=SigningKey(signing_pem),
        clock=clock,
        rand=rand,
        audiences=audiences,
        max_expiration=int(options.service_account_max_token_expiration),
        extend_expiration=options.service_account_extend_token_expiration,
    )


def _openid(options: Options, key_pems: tuple[bytes, ...], address: str) -> OpenIDMetadata | None:
    if not key_pems or not options.service_account_issuer:
        return None
    jwks_uri = f"https://{address}/openid/v1/jwks"
    return OpenIDMetadata(options.service_account_issuer[0], jwks_uri, KeySet(key_pems))


def _anonymous(options: Options) -> bool:
    """As upstream: who is nobody may not do everything, so --anonymous-auth gives way to the mode AlwaysAllow."""
    if options.anonymous_auth and "AlwaysAllow" in options.authorization_mode:
        log.warning("anonymous requests are refused: the authorization mode AlwaysAllow would let them do everything")
        return False
    return options.anonymous_auth


def request_header(options: Options) -> RequestHeaderOptions | None:
    """The front proxies that may speak for others; None without their authority."""
    if not options.requestheader_client_ca_file:
        return None
    return RequestHeaderOptions(
        options.read(options.requestheader_client_ca_file),
        options.requestheader_allowed_names,
        options.requestheader_username_headers,
        options.requestheader_uid_headers,
        options.requestheader_group_headers,
        options.requestheader_extra_headers_prefix,
    )


def _read(options: Options, path: str) -> bytes:
    return options.read(path) if path else b""
