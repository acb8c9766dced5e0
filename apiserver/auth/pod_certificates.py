"""Keys and chains of PodCertificateRequests and trust bundles (upstream pkg/apis/certificates/validation).

Imports `cryptography`: import this module where it is needed, not at start.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parseaddr
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from apiserver.auth.certificate_pem import CERTIFICATE, blocks

CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521", "secp224r1": "P-224"}
KEY_SIZES = (3072, 4096)


class Problem(NamedTuple):
    """What is wrong, and the value shown with it; None shows no value."""

    detail: str
    value: str | None = None


def request_problem(der: bytes) -> Problem | None:
    """A PKCS#10 request without armour, with a key that is strong enough and a signature by that key."""
    try:
        request = x509.load_der_x509_csr(der)
        key = request.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return Problem("must be a valid PKCS#10 CSR")
    if problem := _key_problem(key):
        return problem
    try:
        sound = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm):
        sound = False
    return None if sound else Problem("invalid signature")


def _key_problem(key: object) -> Problem | None:
    if isinstance(key, ed25519.Ed25519PublicKey):
        return None
    if isinstance(key, ec.EllipticCurvePublicKey):
        curve = CURVES.get(key.curve.name, key.curve.name)
        if curve in ("P-256", "P-384", "P-521"):
            return None
        return Problem("elliptic public keys must use curve P256, P384, or P521", f"curve {curve}")
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size in KEY_SIZES:
            return None
        return Problem("RSA keys must have modulus size 3072 or 4096", f"{key.key_size}-bit modulus")
    return Problem("unknown public key type; supported types are Ed25519, ECDSA, and RSA")


class Leaf(NamedTuple):
    """Of the first certificate of a chain: from when to when it holds."""

    not_before: datetime
    not_after: datetime


def leaf_of(chain: str, request: bytes) -> tuple[Leaf | None, list[Problem]]:
    """The leaf, where it was issued to the key of the request, and what is wrong with it."""
    found = next(blocks(chain.encode()), None)
    if found is None:
        return None, [Problem("issued certificate chain must contain at least one certificate", chain)]
    if found.type != CERTIFICATE:
        return None, [Problem("issued certificate chain must consist entirely of CERTIFICATE PEM blocks", chain)]
    try:
        leaf = x509.load_der_x509_certificate(found.der)
        names = list(_names_problems(leaf))
    except (ValueError, UnsupportedAlgorithm):
        return None, [Problem("leaf certificate does not parse as valid X.509", chain)]
    if _spki(leaf) != _spki(x509.load_der_x509_csr(request)):
        return None, [*names, Problem("leaf certificate was not issued to the requested public key", chain)]
    return Leaf(leaf.not_valid_before_utc, leaf.not_valid_after_utc), names


def _spki(holder: x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    return holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _names_problems(leaf: x509.Certificate) -> Iterator[Problem]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    for name in names.get_values_for_type(x509.DNSName):
        if not name:
            yield Problem("leaf certificate should not contain empty DNSName", name)
        if ".." in name:
            yield Problem("leaf certificate's DNSName should not contain '..'", name)
        if name.startswith(".") or name.endswith("."):
            yield Problem("leaf certificate's DNSName should not start or end with '.'", name)
    for address in names.get_values_for_type(x509.RFC822Name):
        if "@" not in parseaddr(address)[1]:
            yield Problem("leaf certificate should not contain invalid EmailAddress", address)


def rest_problem(chain: str) -> Problem | None:
    """What comes after the leaf: certificates, whoever issued them."""
    for block in list(blocks(chain.encode()))[1:]:
        if block.type != CERTIFICATE:
            # Upstream writes it thus.
            return Problem("issued certificate chain must consist entirely of CERTFICATE PEM blocks", chain)
        try:
            x509.load_der_x509_certificate(block.der)
        except (ValueError, UnsupportedAlgorithm):
            return Problem("intermediate certificate does not parse as valid X.509", chain)
    return None


def bundle_problems(text: str) -> list[str]:
    """What is wrong with trust anchors: each an authority's certificate, each once, at least one."""
    found: list[str] = []
    anchors: dict[bytes, list[int]] = {}
    for i, block in enumerate(blocks(text.encode())):
        if problem := _anchor_problem(i, block.type, block.headers, block.der):
            found.append(problem)
        else:
            anchors.setdefault(block.der, []).append(i)
    if found:
        return found
    if not anchors:
        found.append("at least one trust anchor must be provided")
    for places in anchors.values():
        if len(places) > 1:
            found.append(f"duplicate trust anchor (indices [{' '.join(map(str, places))}])")
    return found


def _anchor_problem(i: int, kind: str, headers: bytes, der: bytes) -> str:
    if kind != CERTIFICATE:
        return f"entry {i} has bad block type: {kind}"
    if headers:
        return f"entry {i} has PEM block headers"
    try:
        extensions = x509.load_der_x509_certificate(der).extensions
    except (ValueError, UnsupportedAlgorithm):
        return f"entry {i} does not parse as X.509"
    try:
        is_authority = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    return "" if is_authority else f"entry {i} does not have the CA bit set"


def time_of(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
