"""A node's certificate: asked for, signed, kept, and asked for anew with the node's own rights before it ends."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apiserver.apimachinery.clock import VIRTUAL_EPOCH, LoopClock, run_virtual
from apiserver.apimachinery.http import UserInfo
from apiserver.client.config import ClientConfig
from apiserver.client.transport import LoopbackTransport
from apiserver.server.tests.worlds import World, world
from kubelet.certificates import Certificates, NodeTransport, NotIssued, Pair
from kubelet.node.identity import NodeIdentity

IDENTITY = NodeIdentity("n1", ("172.29.0.2",))
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
LIFE = 1000  # seconds


class Opened(Certificates):
    """Opens no sockets: notes with which certificate it would have."""

    opened: list[Pair]

    def open(self, pair: Pair) -> Any:
        self.opened = [*getattr(self, "opened", []), pair]
        return self._bootstrapper


class Quiet:
    """A transport to the server that stays open."""

    def __init__(self, inner: LoopbackTransport) -> None:
        self._inner = inner

    async def send(
        self, method: str, target: str, *, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> Any:
        return await self._inner.send(method, target, headers=headers, body=body)

    async def aclose(self) -> None:
        return None


async def sign(server: World, *, deny: bool = False) -> None:
    """What the controllers do, once for every request."""
    authority = ec.generate_private_key(ec.SECP256R1())
    done: set[str] = set()
    while True:
        _, listed = await server.ask("GET", CSRS)
        for item in listed["items"]:
            name = item["metadata"]["name"]
            if name in done:
                continue
            done.add(name)
            condition = {"type": "Denied" if deny else "Approved", "status": "True", "reason": "Test", "message": "no"}
            await server.ask("PUT", f"{CSRS}/{name}/approval", {**item, "status": {"conditions": [condition]}})
            if not deny:
                _, item = await server.ask("GET", f"{CSRS}/{name}")
                item["status"]["certificate"] = base64.b64encode(_issued(item, authority)).decode()
                await server.ask("PUT", f"{CSRS}/{name}/status", item)
        await asyncio.sleep(0.2)


def _issued(item: dict[str, Any], authority: ec.EllipticCurvePrivateKey) -> bytes:
    request = x509.load_pem_x509_csr(base64.b64decode(item["spec"]["request"]))
    now = datetime.fromtimestamp(VIRTUAL_EPOCH + asyncio.get_running_loop().time(), UTC)
    made = x509.CertificateBuilder().subject_name(request.subject).issuer_name(request.subject)
    made = made.public_key(request.public_key()).serial_number(x509.random_serial_number())
    made = made.not_valid_before(now).not_valid_after(now + timedelta(seconds=LIFE))
    return made.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_a_certificate_is_asked_for_kept_and_renewed(tmp_path: Path) -> None:
    async def main() -> None:
        async with world() as server:
            signing = asyncio.create_task(sign(server))
            transport = Quiet(server.transport)
            config, clock = ClientConfig("https://127.0.0.1:1"), LoopClock(asyncio.get_running_loop())
            certificates = Opened(config, transport, str(tmp_path), clock)
            node = await certificates.transport_for(IDENTITY)
            assert isinstance(node, NodeTransport)
            subject = x509.load_pem_x509_certificate(certificates.opened[0].certificate).subject.rfc4514_string()
            assert subject == "CN=system:node:n1,O=system:nodes"
            kept = (tmp_path / "n1-client.pem").read_bytes()
            assert kept.startswith(certificates.opened[0].certificate)
            assert (tmp_path / "n1-client.pem").stat().st_mode & 0o777 == 0o600

            again = Opened(config, transport, str(tmp_path), clock)
            await again.transport_for(IDENTITY)
            assert again.opened[0].certificate in kept

            await asyncio.sleep(LIFE * 0.85)
            await node.send("GET", "/api/v1/namespaces")
            await asyncio.sleep(5)
            assert len(certificates.opened) == 2
            assert (tmp_path / "n1-client.pem").read_bytes().startswith(certificates.opened[1].certificate)
            signing.cancel()

    run_virtual(main())


def test_a_denied_request_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        async with world() as server:
            signing = asyncio.create_task(sign(server, deny=True))
            clock = LoopClock(asyncio.get_running_loop())
            certificates = Opened(ClientConfig("https://x"), Quiet(server.transport), str(tmp_path), clock)
            with pytest.raises(NotIssued, match="Denied: no"):
                await certificates.transport_for(IDENTITY)
            signing.cancel()

    run_virtual(main())


def test_who_gets_the_right_to_ask_a_little_later_asks_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with world() as server:
            transport = Quiet(LoopbackTransport(server.server.handler, user=UserInfo("n", ("system:authenticated",))))
            clock = LoopClock(asyncio.get_running_loop())
            certificates = Opened(ClientConfig("https://x"), transport, str(tmp_path), clock)
            asking = asyncio.create_task(certificates.transport_for(IDENTITY))
            await asyncio.sleep(2)
            group = "rbac.authorization.k8s.io"
            role = {"apiGroup": group, "kind": "ClusterRole", "name": "system:node-bootstrapper"}
            binding = {"metadata": {"name": "n"}, "roleRef": role, "subjects": [{"kind": "User", "name": "n"}]}
            assert (await server.ask("POST", f"/apis/{group}/v1/clusterrolebindings", binding))[0] == 201
            signing = asyncio.create_task(sign(server))
            assert isinstance(await asking, NodeTransport)
            signing.cancel()

    run_virtual(main())
