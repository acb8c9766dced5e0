"""PEM of certificate requests and of issued certificates, refused in the words of Go's crypto/x509.

Imports `cryptography`: import this module where it is needed, not at start.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from apiserver.apimachinery.errors import go_quote

# As Go's pem.Decode: the armour stands at the beginning of a line, headers end with an empty line.
_BLOCK = re.compile(
    rb"(?:\A|(?<=\n))-----BEGIN ([^\n]*?)-----[ \t\r]*\n((?:[^\n]*?:[^\n]*\n)*)(.*?)\n?-----END \1-----[ \t\r]*(?:\n|\Z)",
    re.DOTALL,
)
REQUEST, CERTIFICATE = "CERTIFICATE REQUEST", "CERTIFICATE"


class Block(NamedTuple):
    type: str
    headers: bytes
    der: bytes


def blocks(text: bytes) -> Iterator[Block]:
    for match in _BLOCK.finditer(text):
        try:
            yield Block(match[1].decode("utf-8", "replace"), match[2], base64.b64decode(match[3], validate=False))
        except binascii.Error:
            continue


def decoded(text: str | None) -> bytes:
    """The bytes of a []byte field; what is no base64 counts as it stands (it was checked when it came in)."""
    try:
        return base64.b64decode(text or "")
    except binascii.Error:
        return b""


def parse_request(text: bytes) -> x509.CertificateSigningRequest:
    """Upstream ParseCSR; ValueError with Go's words."""
    block = next(blocks(text), None)
    if block is None or block.type != REQUEST:
        raise ValueError("PEM block type must be CERTIFICATE REQUEST")
    try:
        return x509.load_der_x509_csr(block.der)
    except (ValueError, UnsupportedAlgorithm) as e:
        raise ValueError("asn1: structure error: tags don't match") from e


def request_problem(text: bytes) -> str:
    """Why this is not a request signed with its own key; "" when it is."""
    try:
        request = parse_request(text)
    except ValueError as e:
        return str(e)
    try:
        sound = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "x509: cannot verify signature: algorithm unimplemented"
    return "" if sound else "crypto/rsa: verification error"


def organizations(text: bytes) -> list[str]:
    """The organizations of a request's subject; ValueError as `parse_request`."""
    subject = parse_request(text).subject
    return [str(attribute.value) for attribute in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]


def certificate_problem(text: bytes) -> str:
    """Why this is not a chain of certificates; "" when it is, or when it is empty."""
    if not text:
        return ""
    found = list(blocks(text))
    for block in found:
        if block.type != CERTIFICATE:
            return f"only CERTIFICATE PEM blocks are allowed, found {go_quote(block.type)}"
        if block.headers:
            return "no PEM block headers are permitted"
        if not block.der:
            return "found CERTIFICATE PEM block containing 0 certificates"
        try:
            x509.load_der_x509_certificate(block.der)
        except (ValueError, UnsupportedAlgorithm):
            return "x509: malformed certificate"
    return "" if found else "must contain at least one CERTIFICATE PEM block"
