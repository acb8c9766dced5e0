"""A node's client certificate: asked for with the bootstrapper's credentials, kept in files, renewed before it ends.

Mirrors upstream pkg/kubelet/certificate/bootstrap and client-go/util/certificate: a request for the signer
kubernetes.io/kube-apiserver-client-kubelet, which the controllers approve and sign.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.objects import Object
from apiserver.client.config import ClientConfig
from apiserver.client.http_transport import HttpTransport
from apiserver.client.interface import Transport, TransportResponse
from apiserver.client.resources import Client, ResourceClient
from kubelet.node.identity import GROUP, NodeIdentity

log = logging.getLogger(__name__)

CSRS = GroupVersionResource("certificates.k8s.io", "v1", "certificatesigningrequests")
SIGNER = "kubernetes.io/kube-apiserver-client-kubelet"
USAGES = ["digital signature", "client auth"]  # upstream: no key encipherment for an elliptic curve's key
PATIENCE = 15 * 60.0  # seconds to wait for an issued certificate, as upstream
POLL = 0.05
ASKED_AGAIN, REFUSED_PAUSE = 50, 0.2  # times that one without rights asks, and seconds between
RENEW_AT = 0.8  # of its life
RETRY = 60.0


class NotIssued(Exception):
    """The certificate was refused, or nobody signed it; the message says which."""


class Pair:
    """A certificate and its key, PEM; `renew_at` and `ends` in seconds since the epoch."""

    def __init__(self, certificate: bytes, key: bytes) -> None:
        self.certificate, self.key = certificate, key
        parsed = x509.load_pem_x509_certificate(certificate)
        begins, self.ends = parsed.not_valid_before_utc.timestamp(), parsed.not_valid_after_utc.timestamp()
        self.renew_at = begins + RENEW_AT * (self.ends - begins)


class Certificates:
    """The certificates of the nodes of one process, in one directory (none: they are asked for at each start)."""

    def __init__(self, config: ClientConfig, bootstrapper: Transport, directory: str, clock: Clock) -> None:
        self._config = config
        self._bootstrapper = bootstrapper
        self._directory = Path(directory) if directory else None
        self._clock = clock

    async def transport_for(self, identity: NodeIdentity) -> Transport:
        """Requests as this node. Raises NotIssued."""
        pair = self._kept(identity)
        if pair is None:
            pair = await self._ask(identity, self._bootstrapper)
        return NodeTransport(self, identity, pair, self._clock)

    def open(self, pair: Pair) -> HttpTransport:
        config = dataclasses.replace(self._config, certificate=pair.certificate, key=pair.key, token="", token_file="")
        return HttpTransport(config)

    async def renew(self, identity: NodeIdentity, through: Transport) -> Pair:
        """A new certificate, asked for with the present one."""
        return await self._ask(identity, through)

    def _file(self, identity: NodeIdentity) -> Path | None:
        return self._directory / f"{identity.name}-client.pem" if self._directory is not None else None

    def _kept(self, identity: NodeIdentity) -> Pair | None:
        """What an earlier start kept, unless it has ended."""
        file = self._file(identity)
        try:
            text = file.read_bytes() if file is not None else b""
            pair = Pair(text, text) if text else None  # one file holds both, as upstream's kubelet-client-current.pem
        except (OSError, ValueError) as error:
            log.info("kept certificate not used", extra={"file": str(file), "error": str(error)})
            return None
        return pair if pair is not None and pair.ends > self._clock.now() else None

    def _keep(self, identity: NodeIdentity, pair: Pair) -> None:
        file = self._file(identity)
        if file is None:
            return
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = file.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(pair.certificate + pair.key)
        new.replace(file)

    async def _ask(self, identity: NodeIdentity, through: Transport) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        requests = Client(through, user_agent="kubelet/pocketkube").resource(CSRS)
        wanted = signing_request(identity, key)
        made = await _create(requests, wanted)
        async with asyncio.timeout(PATIENCE):
            while not (issued := issued_certificate(made)):
                await asyncio.sleep(POLL)
                made = await requests.get(made["metadata"]["name"])
        pair = Pair(issued, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self._keep(identity, pair)
        return pair


async def _create(requests: ResourceClient, wanted: Object) -> Object:
    """Ask; who may not (yet) asks again for a while: in a cluster that is coming up the rights are made meanwhile.

    Upstream's kubelet ends instead, and is started again.
    """
    for left in reversed(range(ASKED_AGAIN)):
        try:
            return await requests.create(wanted)
        except StatusError as error:
            if error.code == 409:
                return await requests.get(wanted["metadata"]["name"])
            if error.code != 403 or not left:
                raise
        await asyncio.sleep(REFUSED_PAUSE)
    raise AssertionError("unreachable")


def signing_request(identity: NodeIdentity, key: ec.EllipticCurvePrivateKey) -> Object:
    """The CertificateSigningRequest of a node, named after its key: whoever asks twice with it asks once."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, GROUP),
            x509.NameAttribute(NameOID.COMMON_NAME, identity.user),
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = base64.urlsafe_b64encode(hashlib.sha256(public).digest()).decode().rstrip("=")
    name = "node-csr-" + "".join(c if c.isalnum() else "x" for c in digest).lower()
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(request.public_bytes(Encoding.PEM)).decode(),
            "signerName": SIGNER,
            "usages": USAGES,
        },
    }


def issued_certificate(csr: Object) -> bytes:
    """The certificate, empty while it is waited for. Raises NotIssued."""
    status = csr.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition["type"] in ("Denied", "Failed"):
            raise NotIssued(f"{csr['metadata']['name']}: {condition['type']}: {condition.get('message', '')}")
    return base64.b64decode(status.get("certificate") or "")


class NodeTransport:
    """Requests with the node's certificate, of which a new one is asked for when most of its life is over."""

    def __init__(self, certificates: Certificates, identity: NodeIdentity, pair: Pair, clock: Clock) -> None:
        self._certificates = certificates
        self._identity = identity
        self._clock = clock
        self._current = certificates.open(pair)
        self._earlier: list[HttpTransport] = []  # watches may still run over them
        self._renew_at = pair.renew_at
        self._renewal: asyncio.Task[None] | None = None

    async def send(
        self, method: str, target: str, *, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> TransportResponse:
        if self._clock.now() >= self._renew_at and self._renewal is None:
            self._renewal = asyncio.create_task(self._renew(), name=f"renew-{self._identity.name}")
        return await self._current.send(method, target, headers=headers, body=body)

    async def _renew(self) -> None:
        try:
            pair = await self._certificates.renew(self._identity, self._current)
            self._earlier.append(self._current)
            self._current, self._renew_at = self._certificates.open(pair), pair.renew_at
        except (StatusError, NotIssued, OSError, TimeoutError) as error:
            log.warning("certificate not renewed", extra={"node": self._identity.name, "error": str(error)})
            self._renew_at = self._clock.now() + RETRY
        finally:
            self._renewal = None

    async def aclose(self) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
        for transport in (*self._earlier, self._current):
            await transport.aclose()
