"""Keys, authorities and certificate requests for tests."""

from __future__ import annotations

import base64
import ipaddress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from apiserver.apimachinery.clock import VIRTUAL_EPOCH


@cache
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def name(common_name: str, *organizations: str) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def authority(directory: Path, days: float = 3650) -> dict[str, Any]:
    """An authority's two files, as options of the signing loop."""
    begins = datetime.fromtimestamp(VIRTUAL_EPOCH, UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name("an-authority"))
        .issuer_name(name("an-authority"))
        .public_key(key().public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key().public_key()), critical=False)
        .sign(key(), hashes.SHA256())
    )
    cert_file, key_file = directory / "ca.crt", directory / "ca.key"
    cert_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_file.write_bytes(key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return {"cluster_signing_cert_file": str(cert_file), "cluster_signing_key_file": str(key_file)}


def request(
    common_name: str = "system:node:n1",
    organizations: tuple[str, ...] = ("system:nodes",),
    dns: tuple[str, ...] = (),
    addresses: tuple[str, ...] = (),
) -> str:
    """spec.request: an X.509 request in PEM in base64."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name(common_name, *organizations))
    names: list[x509.GeneralName] = [x509.DNSName(d) for d in dns]
    names += [x509.IPAddress(ipaddress.ip_address(a)) for a in addresses]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return base64.b64encode(builder.sign(key(), hashes.SHA256()).public_bytes(Encoding.PEM)).decode()


def csr(
    object_name: str,
    signer: str,
    pem: str | None = None,
    usages: tuple[str, ...] = ("digital signature", "client auth"),
    **spec: Any,
) -> dict[str, Any]:
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": object_name},
        "spec": {"request": pem or request(), "signerName": signer, "usages": list(usages), **spec},
    }
