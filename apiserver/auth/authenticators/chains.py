"""Which authority signed a client's certificate: needed where the front accepts several for different purposes.

The TLS layer verifies a client against the union of --client-ca-file and --requestheader-client-ca-file. A certificate
that only the front-proxy authority signed must not name a user, nor may a user's certificate speak for others.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

MAX_REMEMBERED = 4096


class IssuerPool:
    """The certificates of one CA file. Loads `cryptography` when first asked."""

    def __init__(self, pem: bytes) -> None:
        self._pem = pem
        self._issuers: list[Certificate] | None = None
        self._known: dict[bytes, bool] = {}

    def signed(self, der: bytes) -> bool:
        """Whether one of the pool's certificates signed this one (or is this one)."""
        digest = hashlib.sha256(der).digest()
        answer = self._known.get(digest)
        if answer is None:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            answer = self._known[digest] = self._verify(der)
        return answer

    def _verify(self, der: bytes) -> bool:
        from cryptography import x509

        try:
            certificate = x509.load_der_x509_certificate(der)
        except ValueError:
            return False
        return any(_issued(certificate, issuer) for issuer in self._load())

    def _load(self) -> list[Certificate]:
        if self._issuers is None:
            from cryptography import x509

            self._issuers = x509.load_pem_x509_certificates(self._pem)
        return self._issuers


def _issued(certificate: Certificate, issuer: Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    if certificate == issuer:
        return True
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
