"""The certificates of one cluster: made on first start, kept in the data directory, renewed before they end.

Everything is ECDSA P-256 (0.01 ms to make, where RSA takes 11–120). `Pki.ensure` is cheap when nothing is to do: it
reads `pki.json`, which says when which file ends, and loads `cryptography` only to make something.
"""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

CA_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)
CLOCK_SKEW = timedelta(minutes=5)  # a certificate is valid a little before it was made


class Leaf(NamedTuple):
    """A certificate to have: file name, authority, subject, names it serves under."""

    name: str
    authority: str
    common_name: str
    organizations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()  # DNS names and IP addresses; none: a client certificate
    client_too: bool = False  # a server that calls others with the same certificate

    def fingerprint(self) -> list[Any]:
        """What makes a kept certificate this one."""
        return [self.authority, self.common_name, list(self.organizations), list(self.names), self.client_too]


class Pki:
    """The files of one directory. Keys are readable by their owner only."""

    def __init__(self, directory: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.directory = directory
        self._now = now
        self._state: dict[str, Any] = {}

    def cert(self, name: str) -> Path:
        return self.directory / f"{name}.crt"

    def key(self, name: str) -> Path:
        return self.directory / f"{name}.key"

    def ensure(self, authorities: Sequence[str], leaves: Sequence[Leaf], signing_keys: Sequence[str]) -> list[str]:
        """Make what is missing, ends soon or changed its names; returns the names of what was made."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._state = self._read_state()
        made = [name for name in authorities if not self._is_good(name, [])]
        for name in made:
            self._make_authority(name)
        for leaf in leaves:
            if leaf.authority in made or not self._is_good(leaf.name, leaf.fingerprint()):
                self._make_leaf(leaf)
                made.append(leaf.name)
        for name in signing_keys:
            if not self.key(name).exists():
                self._make_signing_key(name)
                made.append(name)
        if made:
            self._write(self.directory / "pki.json", json.dumps(self._state, indent=1).encode(), 0o600)
        return made

    def _read_state(self) -> dict[str, Any]:
        try:
            state = json.loads((self.directory / "pki.json").read_text())
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def _is_good(self, name: str, fingerprint: list[Any]) -> bool:
        known = self._state.get(name)
        if known is None or known["is"] != fingerprint or not (self.cert(name).exists() and self.key(name).exists()):
            return False
        return datetime.fromisoformat(known["ends"]) - self._now() > RENEW_BEFORE

    def _make_authority(self, name: str) -> None:
        from cryptography import x509
        from cryptography.x509.oid import NameOID

        key = _new_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"pocketkube-{name}")])
        ends = self._now() + CA_LIFE
        builder = (
            self._builder(subject, key, ends)
            .issuer_name(subject)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        self._keep(name, builder, key, key, ends, [])

    def _make_leaf(self, leaf: Leaf) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

        authority = x509.load_pem_x509_certificate(self.cert(leaf.authority).read_bytes())
        authority_key: Any = load_pem_private_key(self.key(leaf.authority).read_bytes(), None)
        key = _new_key()
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in leaf.organizations]
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, leaf.common_name))
        ends = self._now() + LEAF_LIFE
        usages = [ExtendedKeyUsageOID.SERVER_AUTH] if leaf.names else []
        if leaf.client_too or not leaf.names:
            usages.append(ExtendedKeyUsageOID.CLIENT_AUTH)
        builder = (
            self._builder(x509.Name(attributes), key, ends)
            .issuer_name(authority.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
        )
        if leaf.names:
            names = [_general_name(name) for name in leaf.names]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        self._keep(leaf.name, builder, key, authority_key, ends, leaf.fingerprint())

    def _builder(self, subject: x509.Name, key: EllipticCurvePrivateKey, ends: datetime) -> x509.CertificateBuilder:
        from cryptography import x509

        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now() - CLOCK_SKEW)
            .not_valid_after(ends)
        )

    def _keep(
        self,
        name: str,
        builder: x509.CertificateBuilder,
        key: EllipticCurvePrivateKey,
        signer: EllipticCurvePrivateKey,
        ends: datetime,
        fingerprint: list[Any],
    ) -> None:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.serialization import Encoding

        certificate = builder.sign(signer, hashes.SHA256())
        self._write(self.key(name), _pem(key), 0o600)
        self._write(self.cert(name), certificate.public_bytes(Encoding.PEM), 0o644)
        self._state[name] = {"is": fingerprint, "ends": ends.isoformat()}

    def _make_signing_key(self, name: str) -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        key = _new_key()
        self._write(self.key(name), _pem(key), 0o600)
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self._write(self.directory / f"{name}.pub", public, 0o644)

    def _write(self, path: Path, data: bytes, mode: int) -> None:
        """Whole or not at all, and never readable by others on the way."""
        new = path.with_name(path.name + ".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        new.replace(path)


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _pem(key: EllipticCurvePrivateKey) -> bytes:
    """In SEC 1's form, as client-go's util/keyutil writes it: fabric8 takes an elliptic key in PKCS#8 for an RSA key."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def _key_usage(authority: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def cluster_leaves(extra_names: Sequence[str], service_ip: str) -> list[Leaf]:
    """The API server's certificates: serving, for kubelets, its administrator's, the front proxy's. Parts bring their own."""
    serving = (
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "127.0.0.1",
        "::1",
        service_ip,
        *extra_names,
    )
    names = tuple(dict.fromkeys(serving))
    return [
        Leaf("apiserver", "ca", "kube-apiserver", names=names),
        Leaf("apiserver-kubelet-client", "ca", "kube-apiserver-kubelet-client"),
        Leaf("admin", "ca", "kubernetes-admin", ("system:masters",)),
        Leaf("front-proxy-client", "front-proxy-ca", "front-proxy-client"),
    ]


AUTHORITIES = ("ca", "front-proxy-ca")
SIGNING_KEYS = ("sa",)
