"""Whether a PEM certificate and a PEM key belong together, in the words of Go's crypto/tls X509KeyPair.

Imports `cryptography`: import this module where it is needed, not at start.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

_PEM = re.compile(rb"-----BEGIN ([^\n]*?)-----\s*\n(.*?)-----END \1-----", re.DOTALL)
_KEY_TYPES = (
    (rsa.RSAPublicKey, rsa.RSAPrivateKey),
    (ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey),
    (ed25519.Ed25519PublicKey, ed25519.Ed25519PrivateKey),
)


class _Block(NamedTuple):
    type: str
    der: bytes


def _blocks(text: bytes) -> list[_Block]:
    found = []
    for match in _PEM.finditer(text):
        try:
            found.append(_Block(match[1].decode(), base64.b64decode(match[2], validate=False)))
        except (binascii.Error, UnicodeDecodeError):
            continue
    return found


def _shown(types: list[str]) -> str:
    return "[" + " ".join(types) + "]"


def key_pair_problem(certificate: bytes, key: bytes) -> str:
    """Why the two are not a pair; "" when they are."""
    blocks = _blocks(certificate)
    leaf = next((block for block in blocks if block.type == "CERTIFICATE"), None)
    if leaf is None:
        return _no_certificate([block.type for block in blocks])
    key_blocks = _blocks(key)
    private = next((b for b in key_blocks if b.type == "PRIVATE KEY" or b.type.endswith(" PRIVATE KEY")), None)
    if private is None:
        return _no_key([block.type for block in key_blocks])
    try:
        public = x509.load_der_x509_certificate(leaf.der).public_key()
    except (ValueError, UnsupportedAlgorithm):
        return "x509: malformed certificate"
    try:
        secret = serialization.load_der_private_key(private.der, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "tls: failed to parse private key"
    return _mismatch(public, secret)


def _no_certificate(skipped: list[str]) -> str:
    if not skipped:
        return "tls: failed to find any PEM data in certificate input"
    if len(skipped) == 1 and skipped[0].endswith("PRIVATE KEY"):
        return (
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; "
            "PEM inputs may have been switched"
        )
    return (
        'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following '
        f"types: {_shown(skipped)}"
    )


def _no_key(skipped: list[str]) -> str:
    if not skipped:
        return "tls: failed to find any PEM data in key input"
    if skipped == ["CERTIFICATE"]:
        return "tls: found a certificate rather than a key in the PEM for the private key"
    return (
        'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the '
        f"following types: {_shown(skipped)}"
    )


def _mismatch(public: object, secret: object) -> str:
    for public_type, private_type in _KEY_TYPES:
        if not isinstance(public, public_type):
            continue
        if not isinstance(secret, private_type):
            return "tls: private key type does not match public key type"
        return "" if secret.public_key() == public else "tls: private key does not match public key"
    return "tls: unknown public key algorithm"
