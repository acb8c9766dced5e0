"""Who may talk to a kubelet: the API server by its client certificate, and who else is named; nobody asks a webhook."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

MASTERS = "system:masters"
LIFETIME = timedelta(days=365)


@dataclass(frozen=True)
class ServerOptions:
    """`certificate_file` and `key_file` empty: a certificate is made, nobody has to trust it. `client_ca_file` empty: no
    client is known, and only /healthz answers. `or_any_port`: where `port` is taken, one that is free will do: it is announced."""

    host: str = "127.0.0.1"
    port: int = 10250
    or_any_port: bool = False
    certificate_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""
    users: Sequence[str] = ("kube-apiserver-kubelet-client", "system:kube-apiserver")


def server_context(options: ServerOptions, directory: Path) -> ssl.SSLContext:
    """TLS that asks for a client certificate and verifies one that is shown."""
    certificate, key = options.certificate_file, options.key_file
    if not certificate:
        certificate, key = _self_signed(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if options.client_ca_file:
        context.load_verify_locations(options.client_ca_file)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _self_signed(directory: Path) -> tuple[str, str]:
    """Files with a certificate of our own and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubelet")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.DNSName("*.localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    directory.mkdir(parents=True, exist_ok=True)
    certificate_file, key_file = directory / "kubelet.crt", directory / "kubelet.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.touch(mode=0o600)
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(certificate_file), str(key_file)


@dataclass(frozen=True)
class Caller:
    name: str
    groups: tuple[str, ...] = ()

    def may_call(self, options: ServerOptions) -> bool:
        return self.name in options.users or MASTERS in self.groups


def caller_of(certificate: bytes | None) -> Caller | None:
    """The user of a verified client certificate (DER)."""
    if not certificate:
        return None
    subject = x509.load_der_x509_certificate(certificate).subject
    names = [str(each.value) for each in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = [str(each.value) for each in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return Caller(names[0] if names else "", tuple(groups))
