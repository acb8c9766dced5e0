"""Certificates of a cluster: made once, kept, renewed in time; and the front that serves with them."""

from __future__ import annotations

import asyncio
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from apiserver.apimachinery.http import AnyResponse, Request, Response
from apiserver.server.front import Front
from apiserver.server.tests.client import Client
from apiserver.server.tls import server_context
from pocketkube.pki import AUTHORITIES, LEAF_LIFE, SIGNING_KEYS, Leaf, Pki, cluster_leaves

LEAVES = cluster_leaves([], "10.96.0.1")


def made(directory: Path) -> Pki:
    pki = Pki(directory)
    pki.ensure(AUTHORITIES, LEAVES, SIGNING_KEYS)
    return pki


def test_everything_is_made_once_and_kept(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    names = pki.ensure(AUTHORITIES, LEAVES, SIGNING_KEYS)
    assert names == [
        "ca",
        "front-proxy-ca",
        "apiserver",
        "apiserver-kubelet-client",
        "admin",
        "front-proxy-client",
        "sa",
    ]
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert Pki(tmp_path).ensure(AUTHORITIES, LEAVES, SIGNING_KEYS) == []
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    made(tmp_path / "pki")
    keys = list((tmp_path / "pki").glob("*.key"))
    assert len(keys) == 7
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700


def test_a_keys_first_line_says_its_algorithm(tmp_path: Path) -> None:
    pki = made(tmp_path)
    for name in ("ca", "admin", "sa"):
        assert pki.key(name).read_text().startswith("-----BEGIN EC PRIVATE KEY-----\n")


def test_the_serving_certificate_has_every_name(tmp_path: Path) -> None:
    pki = made(tmp_path)
    certificate = x509.load_pem_x509_certificate(pki.cert("apiserver").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "kubernetes.default.svc" in names.get_values_for_type(x509.DNSName)
    assert {str(ip) for ip in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1", "10.96.0.1"}
    authority = x509.load_pem_x509_certificate(pki.cert("ca").read_bytes())
    certificate.verify_directly_issued_by(authority)


def test_a_certificate_is_renewed_before_it_ends(tmp_path: Path) -> None:
    made(tmp_path)
    soon = datetime.now(UTC) + LEAF_LIFE - timedelta(days=29)
    assert Pki(tmp_path, lambda: soon).ensure(AUTHORITIES, LEAVES, SIGNING_KEYS) == [
        "apiserver",
        "apiserver-kubelet-client",
        "admin",
        "front-proxy-client",
    ]


def test_other_names_make_another_certificate(tmp_path: Path) -> None:
    made(tmp_path)
    assert Pki(tmp_path).ensure(AUTHORITIES, cluster_leaves(["example.com"], "10.96.0.1"), SIGNING_KEYS) == [
        "apiserver"
    ]


@pytest.mark.parametrize("lost", ["apiserver.key", "pki.json"])
def test_what_is_lost_is_made_again(tmp_path: Path, lost: str) -> None:
    made(tmp_path)
    (tmp_path / lost).unlink()
    assert "apiserver" in Pki(tmp_path).ensure(AUTHORITIES, LEAVES, SIGNING_KEYS)


async def whoami(request: Request) -> AnyResponse:
    if request.client_certificate is None:
        return Response(200, b"nobody")
    certificate = x509.load_der_x509_certificate(request.client_certificate)
    return Response(200, certificate.subject.rfc4514_string().encode())


def client_context(pki: Pki, leaf: str | None, of: Pki | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(pki.cert("ca")))
    if leaf is not None:
        owner = of or pki
        context.load_cert_chain(owner.cert(leaf), owner.key(leaf))
    return context


async def test_the_front_tells_the_client_certificate(tmp_path: Path) -> None:
    pki = made(tmp_path)
    authorities = [pki.cert(name).read_text() for name in AUTHORITIES]
    front = Front(whoami, loop=asyncio.get_running_loop())
    context = server_context(str(pki.cert("apiserver")), str(pki.key("apiserver")), authorities)
    port = await front.listen("127.0.0.1", 0, context)
    seen = []
    for leaf in (None, "admin", "front-proxy-client"):
        client = await Client.open(port, client_context(pki, leaf))
        seen.append((await client.ask("GET", "/")).body)
        await client.close()
    assert seen == [b"nobody", b"CN=kubernetes-admin,O=system:masters", b"CN=front-proxy-client"]
    await front.stop(1)


async def test_a_client_of_an_unknown_authority_does_not_get_in(tmp_path: Path) -> None:
    """Upstream answers 401; Python's ssl ends the handshake: docs/known-flaws.md."""
    pki, other = made(tmp_path / "one"), made(tmp_path / "two")
    front = Front(whoami, loop=asyncio.get_running_loop())
    context = server_context(str(pki.cert("apiserver")), str(pki.key("apiserver")), [pki.cert("ca").read_text()])
    port = await front.listen("127.0.0.1", 0, context)
    client = await Client.open(port, client_context(pki, "admin", other))
    with pytest.raises((OSError, asyncio.IncompleteReadError)):
        await client.ask("GET", "/")
    await client.close()
    await front.stop(1)


def test_a_leaf_may_serve_and_call(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    pki.ensure(["ca"], [Leaf("both", "ca", "x", names=("localhost",), client_too=True)], [])
    certificate = x509.load_pem_x509_certificate(pki.cert("both").read_bytes())
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert len(list(usage)) == 2
