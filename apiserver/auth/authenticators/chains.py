"""Which authority signed a client's certificate: needed where the front accepts several for different purposes.

The TLS layer verifies a client against the union of --client-ca-file and --requestheader-client-ca-file. A certificate
that only the front-proxy authority signed must not name a user, nor may a user's certificate speak for others.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

from apiserver.auth.der import CertificateError, read_certificate, subject_of

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

MAX_REMEMBERED = 4096


_PEM = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----(.*?)-----END", re.DOTALL)


class IssuerPool:
    """The certificates of one CA file.

    `others` are the other authorities that the TLS layer lets in. Where none of them bears the name of the issuer, the
    handshake has proven already who signed; `cryptography` (10 MB) is loaded only where names do not tell.
    """

    def __init__(self, pem: bytes, others: bytes = b"") -> None:
        self._pem = pem
        self._names = _subjects(pem)
        self._foreign = _subjects(others)
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
        if self._foreign and self._names:
            try:
                issuer = read_certificate(der).issuer
            except CertificateError:
                return False
            if issuer in self._names and issuer not in self._foreign:
                return True
        return self._check_signature(der)

    def _check_signature(self, der: bytes) -> bool:
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


def _subjects(pem: bytes) -> frozenset[bytes]:
    """The names of the certificates in a PEM file; none at all where one cannot be read."""
    try:
        return frozenset(subject_of(base64.b64decode(block)) for block in _PEM.findall(pem))
    except (CertificateError, ValueError):
        return frozenset()


def _issued(certificate: Certificate, issuer: Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    if certificate == issuer:
        return True
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
