"""The authority that signs requests: its pair of files, and the certificates it makes.

Mirrors upstream pkg/controller/certificates/authority (PermissiveSigningPolicy): subject and alternative names are the
request's, usages are the ones asked for, everything else the request wanted is left out; it never makes an authority.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography import x509

BACKDATE = 300.0  # seconds a certificate is valid before it was made
SHORT = 8 * 3600.0  # a life under this is not shortened by the backdating
MIN_LIFE = 600.0

KEY_USAGES = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "key agreement": "key_agreement",
    "data encipherment": "data_encipherment",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
    "encipher only": "encipher_only",
    "decipher only": "decipher_only",
}
# In the order of Go's x509.ExtKeyUsage, which is the order in certificates.
EXTENDED_USAGES = {
    "any": "2.5.29.37.0",
    "server auth": "1.3.6.1.5.5.7.3.1",
    "client auth": "1.3.6.1.5.5.7.3.2",
    "code signing": "1.3.6.1.5.5.7.3.3",
    "email protection": "1.3.6.1.5.5.7.3.4",
    "s/mime": "1.3.6.1.5.5.7.3.4",
    "ipsec end system": "1.3.6.1.5.5.7.3.5",
    "ipsec tunnel": "1.3.6.1.5.5.7.3.6",
    "ipsec user": "1.3.6.1.5.5.7.3.7",
    "timestamping": "1.3.6.1.5.5.7.3.8",
    "ocsp signing": "1.3.6.1.5.5.7.3.9",
    "microsoft sgc": "1.3.6.1.4.1.311.10.3.3",
    "netscape sgc": "2.16.840.1.113730.4.1",
}


class CannotSign(Exception):
    """The authority cannot make this certificate; the message says why."""


def life(asked: int | None, longest: float) -> float:
    """How long a certificate is to live: what was asked for, within ten minutes and the signer's longest."""
    if asked is None:
        return longest
    return min(max(float(asked), MIN_LIFE), longest) if asked <= longest else longest


def validity(now: float, seconds: float, signer_ends: float) -> tuple[float, float]:
    """notBefore and notAfter. Raises CannotSign when the signer has expired."""
    begins = now - BACKDATE
    ends = now + seconds - (0.0 if seconds < SHORT else BACKDATE)
    if begins >= signer_ends or now >= signer_ends:
        raise CannotSign("refusing to sign a certificate that expired in the past")
    return begins, min(ends, signer_ends)


class Authority:
    """A certificate and its key from files, read again when they change."""

    def __init__(self, cert_file: str, key_file: str) -> None:
        self._files = (Path(cert_file), Path(key_file))
        self._stamp: tuple[float, ...] = ()
        self._pair: tuple[Any, Any] | None = None

    def _load(self) -> tuple[x509.Certificate, Any]:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            stamp = tuple(file.stat().st_mtime for file in self._files)
            if self._pair is None or stamp != self._stamp:
                cert, key = (file.read_bytes() for file in self._files)
                self._pair = x509.load_pem_x509_certificate(cert), load_pem_private_key(key, None)
                self._stamp = stamp
        except (OSError, ValueError) as error:
            raise CannotSign(f"error reading CA files: {error}") from error
        return self._pair

    def sign(self, request: x509.CertificateSigningRequest, usages: Sequence[str], seconds: float, now: float) -> bytes:
        """The certificate in PEM. Raises CannotSign."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ed25519
        from cryptography.hazmat.primitives.serialization import Encoding

        certificate, key = self._load()
        if not request.is_signature_valid:
            raise CannotSign("unable to verify certificate request signature")
        begins, ends = validity(now, seconds, certificate.not_valid_after_utc.timestamp())
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(certificate.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_moment(begins))
            .not_valid_after(_moment(ends))
        )
        for extension, critical in _extensions(request, usages, certificate):
            builder = builder.add_extension(extension, critical)
        digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        return builder.sign(key, digest).public_bytes(Encoding.PEM)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=int(seconds))


def _extensions(
    request: x509.CertificateSigningRequest, usages: Sequence[str], signer: x509.Certificate
) -> list[tuple[x509.ExtensionType, bool]]:
    from cryptography import x509

    unknown = [usage for usage in usages if usage not in KEY_USAGES and usage not in EXTENDED_USAGES]
    if unknown:
        raise CannotSign("unrecognized usage values: [" + " ".join(f'"{usage}"' for usage in unknown) + "]")
    found: list[tuple[x509.ExtensionType, bool]] = []
    wanted = {KEY_USAGES[usage] for usage in usages if usage in KEY_USAGES}
    if wanted:
        found.append((x509.KeyUsage(**{name: name in wanted for name in KEY_USAGES.values()}), True))
    extended = dict.fromkeys(oid for usage, oid in EXTENDED_USAGES.items() if usage in usages)
    if extended:
        found.append((x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid) for oid in extended]), False))
    found.append((x509.BasicConstraints(ca=False, path_length=None), True))
    try:
        identifier = signer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        found.append((x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False))
    except x509.ExtensionNotFound:
        pass  # as Go: an authority without an identifier leaves none
    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found.append((names, not list(request.subject)))
    except x509.ExtensionNotFound:
        pass
    return found
