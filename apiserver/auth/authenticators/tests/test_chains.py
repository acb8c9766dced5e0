"""Which authority signed: by name where names tell, by signature where they do not."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from apiserver.auth.authenticators.chains import IssuerPool

ROOT = Path(__file__).resolve().parents[4]


class Authority:
    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.pem = self._sign(self.name, self.key).public_bytes(Encoding.PEM)

    def client(self) -> bytes:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
        return self._sign(subject, ec.generate_private_key(ec.SECP256R1())).public_bytes(Encoding.DER)

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + timedelta(days=1))
        )
        return builder.sign(self.key, hashes.SHA256())


@pytest.mark.parametrize("same_name", [False, True])
def test_only_the_own_clients_are_signed(same_name: bool) -> None:
    users, proxies = Authority("a"), Authority("a" if same_name else "b")
    pool = IssuerPool(users.pem, proxies.pem)
    assert pool.signed(users.client())
    assert not pool.signed(proxies.client())


def test_without_word_of_others_only_the_signature_counts() -> None:
    users, impostor = Authority("a"), Authority("a")
    assert IssuerPool(users.pem).signed(users.client())
    assert not IssuerPool(users.pem).signed(impostor.client())


def test_bytes_that_are_no_certificate_are_not_signed() -> None:
    users, proxies = Authority("a"), Authority("b")
    assert not IssuerPool(users.pem, proxies.pem).signed(b"nonsense")


def test_names_that_tell_cost_no_cryptography() -> None:
    users, proxies = Authority("a"), Authority("b")
    program = (
        "import sys; from apiserver.auth.authenticators.chains import IssuerPool; "
        f"assert IssuerPool({users.pem!r}, {proxies.pem!r}).signed({users.client()!r}); "
        "assert 'cryptography' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)
