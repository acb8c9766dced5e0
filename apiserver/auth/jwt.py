"""JSON Web Tokens in compact form, signed with RSA or ECDSA: just what service-account tokens need.

`cryptography` is imported when the first token is signed or checked, not before: it is the heaviest import of the server.
Key ids and algorithms are upstream's (pkg/serviceaccount/jwt.go), so that either server reads the other's tokens.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

    PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey
    PublicKey = RSAPublicKey | EllipticCurvePublicKey

_CURVES = {"secp256r1": ("ES256", "P-256"), "secp384r1": ("ES384", "P-384"), "secp521r1": ("ES512", "P-521")}
_HASHES = {"256": "SHA256", "384": "SHA384", "512": "SHA512"}
CRYPTO_FAILURE = "go-jose/go-jose: error in cryptographic primitive"  # what TokenReview shows for a bad signature


class Token(NamedTuple):
    """A token taken apart; nothing is verified yet."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def parse(token: str) -> Token | None:
    """None where the text is no JWT in compact form."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        header, claims = orjson.loads(b64decode(parts[0])), orjson.loads(b64decode(parts[1]))
        signature = b64decode(parts[2])
    except ValueError:
        return None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        return None
    return Token(header, claims, f"{parts[0]}.{parts[1]}".encode(), signature)


def b64encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def b64decode(text: str) -> bytes:
    """Unpadded base64url; raises ValueError."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as e:
        raise ValueError(str(e)) from e


class SigningKey:
    """A private key from its PEM. Raises ValueError, on first use, for what is no RSA or NIST-curve key."""

    def __init__(self, pem: bytes) -> None:
        self._pem = pem

    @cached_property
    def _private(self) -> PrivateKey:
        from cryptography.hazmat.primitives.asymmetric import ec, rsa
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        key = load_pem_private_key(self._pem, None)
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise ValueError("unknown private key type, must be RSA or ECDSA")
        return key

    @cached_property
    def verification(self) -> VerificationKey:
        return VerificationKey(self._private.public_key())

    def sign(self, claims: dict[str, Any]) -> str:
        """The compact token; keys are sorted, as Go's JSON does."""
        header = {"alg": self.verification.algorithm, "kid": self.verification.key_id}
        signed = f"{b64encode(orjson.dumps(header))}.{b64encode(orjson.dumps(claims, option=orjson.OPT_SORT_KEYS))}"
        return f"{signed}.{b64encode(self._signature(signed.encode()))}"

    def _signature(self, data: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric import padding, rsa
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

        digest = _hash(self.verification.algorithm)
        if isinstance(self._private, rsa.RSAPrivateKey):
            return self._private.sign(data, padding.PKCS1v15(), digest)
        r, s = decode_dss_signature(self._private.sign(data, _ecdsa(self.verification.algorithm)))
        size = (self._private.curve.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")


class VerificationKey:
    """A public key with its id and its one algorithm."""

    def __init__(self, public: PublicKey) -> None:
        from cryptography.hazmat.primitives.asymmetric import rsa
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self.public = public
        if isinstance(public, rsa.RSAPublicKey):
            self.algorithm, self._curve = "RS256", ""
        elif public.curve.name in _CURVES:
            self.algorithm, self._curve = _CURVES[public.curve.name]
        else:
            raise ValueError("unknown public key curve, must be 256, 384, or 521")
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.key_id = b64encode(hashlib.sha256(der).digest())

    def verify(self, token: Token) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import padding, rsa

        if token.header.get("alg") != self.algorithm:
            return False
        try:
            if isinstance(self.public, rsa.RSAPublicKey):
                self.public.verify(token.signature, token.signed, padding.PKCS1v15(), _hash(self.algorithm))
            else:
                size = (self.public.curve.key_size + 7) // 8
                self.public.verify(_dss(token.signature, size), token.signed, _ecdsa(self.algorithm, random=True))
        except (InvalidSignature, ValueError):
            return False
        return True

    def jwk(self) -> dict[str, str]:
        """The key as a JSON Web Key, members in upstream's order."""
        from cryptography.hazmat.primitives.asymmetric import rsa

        if isinstance(self.public, rsa.RSAPublicKey):
            numbers = self.public.public_numbers()
            own = {"alg": self.algorithm, "n": _integer(numbers.n), "e": _integer(numbers.e)}
            return {"use": "sig", "kty": "RSA", "kid": self.key_id, **own}
        point, size = self.public.public_numbers(), (self.public.curve.key_size + 7) // 8
        own = {"alg": self.algorithm, "x": _integer(point.x, size), "y": _integer(point.y, size)}
        return {"use": "sig", "kty": "EC", "kid": self.key_id, "crv": self._curve, **own}


class KeySet:
    """The keys that may have signed a token, from PEM files of public keys, private keys or certificates."""

    def __init__(self, pems: Sequence[bytes]) -> None:
        self._pems = tuple(pems)

    @cached_property
    def keys(self) -> tuple[VerificationKey, ...]:
        """Each key once, in the order given."""
        found = {key.key_id: key for pem in self._pems for block in pem_blocks(pem) for key in [_load(block)]}
        return tuple(found.values())

    def candidates(self, token: Token) -> tuple[VerificationKey, ...]:
        """Those with the token's key id; all, where it names none."""
        key_id = token.header.get("kid")
        return tuple(key for key in self.keys if key.key_id == key_id) if key_id else self.keys


def pem_blocks(pem: bytes) -> list[bytes]:
    """The single PEM blocks of a file that may hold several."""
    blocks, current = [], []
    for line in pem.splitlines():
        if line.startswith(b"-----BEGIN "):
            current = [line]
        elif current:
            current.append(line)
            if line.startswith(b"-----END "):
                blocks.append(b"\n".join(current) + b"\n")
                current = []
    return blocks


def _load(block: bytes) -> VerificationKey:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

    public: object
    if b"BEGIN CERTIFICATE-" in block:
        public = x509.load_pem_x509_certificate(block).public_key()
    elif b"PRIVATE KEY-" in block:
        private = load_pem_private_key(block, None)
        if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise ValueError("unknown private key type, must be RSA or ECDSA")
        public = private.public_key()
    else:
        public = load_pem_public_key(block)
    if not isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise ValueError("unknown public key type, must be RSA or ECDSA")
    return VerificationKey(public)


def _hash(algorithm: str) -> Any:
    from cryptography.hazmat.primitives import hashes

    return getattr(hashes, _HASHES[algorithm[2:]])()


def _ecdsa(algorithm: str, *, random: bool = False) -> Any:
    """Signing is deterministic (RFC 6979) where OpenSSL can: the same seed gives the same tokens."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec

    if random:
        return ec.ECDSA(_hash(algorithm))
    try:
        return ec.ECDSA(_hash(algorithm), deterministic_signing=True)
    except UnsupportedAlgorithm:
        return ec.ECDSA(_hash(algorithm))


def _dss(signature: bytes, size: int) -> bytes:
    """The two numbers of `size` bytes each, as DER; a signature has one length only."""
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    if len(signature) != 2 * size:
        raise ValueError("a signature of another length")
    return encode_dss_signature(int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big"))


def _integer(value: int, size: int = 0) -> str:
    return b64encode(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))
