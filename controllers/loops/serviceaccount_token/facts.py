"""Names and claims of tokens in Secrets (upstream pkg/serviceaccount/legacy.go)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from apiserver.apimachinery import objects
from apiserver.apimachinery.objects import Object

TYPE = "kubernetes.io/service-account-token"
ACCOUNT = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"
ISSUER = "kubernetes/serviceaccount"


def account_of(secret: Object) -> tuple[str, str]:
    """Name and uid of the account a secret is for; the uid may be empty: not filled in yet."""
    annotations = objects.annotations_of(secret)
    return annotations.get(ACCOUNT, ""), annotations.get(ACCOUNT_UID, "")


def by_account(secret: Object) -> Iterable[str]:
    """An index function: token secrets by `namespace/account`."""
    name, _ = account_of(secret)
    return (f"{secret['metadata']['namespace']}/{name}",) if name and secret.get("type") == TYPE else ()


def claims(account: Object, secret: Object) -> dict[str, Any]:
    meta = account["metadata"]
    prefix = "kubernetes.io/serviceaccount"
    return {
        "iss": ISSUER,
        "sub": f"system:serviceaccount:{meta['namespace']}:{meta['name']}",
        f"{prefix}/namespace": meta["namespace"],
        f"{prefix}/secret.name": secret["metadata"]["name"],
        f"{prefix}/service-account.name": meta["name"],
        f"{prefix}/service-account.uid": meta["uid"],
    }


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Signer:
    """Signs tokens with a private key from a file: RS256, or ES256/384/512 after the key's curve."""

    def __init__(self, key_file: str) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec, rsa
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

        self._key: Any = load_pem_private_key(Path(key_file).read_bytes(), None)
        if not isinstance(self._key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise ValueError(f"{key_file}: neither an RSA nor an ECDSA private key")
        self._size = 0
        if isinstance(self._key, rsa.RSAPrivateKey):
            self.algorithm = "RS256"
        else:
            self._size = (self._key.curve.key_size + 7) // 8
            self.algorithm = {32: "ES256", 48: "ES384", 66: "ES512"}[self._size]
        der = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.key_id = _b64(hashlib.sha256(der).digest())

    def token(self, body: dict[str, Any]) -> str:
        header = {"alg": self.algorithm, "kid": self.key_id}
        signed = f"{_b64(orjson.dumps(header))}.{_b64(orjson.dumps(body, option=orjson.OPT_SORT_KEYS))}"
        return f"{signed}.{_b64(self._signature(signed.encode()))}"

    def _signature(self, data: bytes) -> bytes:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, padding
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

        digests = {"ES384": hashes.SHA384(), "ES512": hashes.SHA512()}
        digest = digests.get(self.algorithm, hashes.SHA256())
        if not self._size:
            return bytes(self._key.sign(data, padding.PKCS1v15(), digest))
        r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(digest)))
        return r.to_bytes(self._size, "big") + s.to_bytes(self._size, "big")
