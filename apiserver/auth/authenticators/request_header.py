"""A front proxy says in headers whom it speaks for; its own client certificate proves that it may.

Mirrors upstream authentication/request/headerrequest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.http import Headers, Request, UserInfo
from apiserver.auth.authenticators.chains import IssuerPool
from apiserver.auth.authenticators.x509 import certificate_of, check_validity
from apiserver.auth.interface import AuthenticationError

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class RequestHeaderOptions:
    """The --requestheader-… flags. An empty `allowed_names` allows every certificate of the authority."""

    client_ca_pem: bytes
    allowed_names: tuple[str, ...] = ()
    username_headers: tuple[str, ...] = ("X-Remote-User",)
    uid_headers: tuple[str, ...] = ()
    group_headers: tuple[str, ...] = ("X-Remote-Group",)
    extra_prefixes: tuple[str, ...] = ("X-Remote-Extra-",)


def unescape_extra_key(key: str) -> str:
    """%-decoding of a key of extra; one that is malformed stays as it is."""
    return key if _BAD_ESCAPE.search(key) else unquote(key, errors="replace")


def freeze_extra(extra: dict[str, list[str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """UserInfo.extra from a plain mapping: sorted, hashable."""
    return tuple((key, tuple(values)) for key, values in sorted(extra.items()))


class RequestHeaderAuthenticator:
    """Only a client certificate of the front-proxy authority, with an allowed name, may use the headers."""

    def __init__(self, options: RequestHeaderOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._pool = IssuerPool(options.client_ca_pem)

    async def authenticate(self, request: Request) -> UserInfo | None:
        if request.client_certificate is None:
            return None
        name = _first(request.headers, self._options.username_headers)
        if not name:
            return None
        self._check_proxy(request)
        return UserInfo(
            name,
            tuple(_every(request.headers, self._options.group_headers)),
            _first(request.headers, self._options.uid_headers),
            self._extra(request.headers),
        )

    def _check_proxy(self, request: Request) -> None:
        certificate = certificate_of(request)
        if certificate is None or not self._pool.signed(request.client_certificate or b""):
            raise AuthenticationError("x509: certificate signed by unknown authority")
        check_validity(certificate, self._clock.now())
        allowed = self._options.allowed_names
        if allowed and certificate.common_name not in allowed:
            raise AuthenticationError(f"x509: subject with cn={certificate.common_name} is not in the allowed list")

    def _extra(self, headers: Headers) -> tuple[tuple[str, tuple[str, ...]], ...]:
        extra: dict[str, list[str]] = {}
        for prefix in self._options.extra_prefixes:
            lower = prefix.lower()
            for header, value in headers.pairs():
                if header.startswith(lower):
                    extra.setdefault(unescape_extra_key(header[len(lower) :]), []).append(value)
        return freeze_extra(extra)


def _first(headers: Headers, names: Iterable[str]) -> str:
    return next((value for name in names if (value := headers.get(name, ""))), "")


def _every(headers: Headers, names: Iterable[str]) -> list[str]:
    return [value for name in names for value in headers.all(name) if value]
