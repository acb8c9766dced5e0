"""Certificate requests through a whole server: who asks, who decides, who issues."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apiserver.apimachinery.clock import run_virtual
from apiserver.server.tests.worlds import World, world

PATH = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
MERGE = "application/merge-patch+json"


@lru_cache
def pem(organization: str = "dev") -> str:
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization), x509.NameAttribute(NameOID.COMMON_NAME, "jane")]
    )
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode()


def asking(**spec: Any) -> dict[str, Any]:
    wanted = {"request": pem(), "signerName": "example.com/signer", "usages": ["client auth"], **spec}
    metadata = {"name": "jane"}
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": metadata,
        "spec": wanted,
    }


async def decide(api: World, kind: str) -> tuple[int, Any]:
    _, request = await api.ask("GET", f"{PATH}/jane")
    condition = {"type": kind, "status": "True", "reason": "Because", "message": "said so"}
    request["status"] = {"conditions": [*request["status"].get("conditions", []), condition]}
    return await api.ask("PUT", f"{PATH}/jane/approval", request)


def test_who_asks_is_who_the_server_says() -> None:
    async def scenario() -> None:
        async with world() as api:
            code, made = await api.ask("POST", PATH, asking(username="somebody-else", groups=["system:masters"]))
            assert code == 201, made
            assert made["spec"]["username"] != "somebody-else"
            assert made["status"] == {}

    run_virtual(scenario())


def test_decisions_come_through_approval_only_and_exclude_each_other() -> None:
    async def scenario() -> None:
        async with world() as api:
            await api.ask("POST", PATH, asking())
            patch = {"status": {"conditions": [{"type": "Approved", "status": "True"}]}}
            code, answer = await api.ask("PATCH", f"{PATH}/jane/status", patch, Content_Type=MERGE)
            assert code == 422
            assert 'updates may not add a condition of type "Approved"' in answer["message"]
            code, answer = await decide(api, "Approved")
            assert code == 200, answer
            assert answer["status"]["conditions"][0]["lastUpdateTime"]
            code, answer = await decide(api, "Denied")
            assert code == 422
            assert "must specify at most one of" in answer["message"]

    run_virtual(scenario())


def test_requests_are_selected_by_their_signer() -> None:
    async def scenario() -> None:
        async with world() as api:
            await api.ask("POST", PATH, asking())
            for signer, count in (("example.com/signer", 1), ("example.com/other", 0)):
                _, found = await api.ask("GET", f"{PATH}?fieldSelector=spec.signerName%3D{signer}")
                assert len(found["items"]) == count

    run_virtual(scenario())


def test_a_request_must_be_a_sound_one() -> None:
    async def scenario() -> None:
        async with world() as api:
            body = asking(request=base64.b64encode(b"nonsense").decode(), usages=["juggling"], expirationSeconds=5)
            code, answer = await api.ask("POST", PATH, body)
            assert code == 422
            fields = [cause["field"] for cause in answer["details"]["causes"]]
            assert fields == ["spec.request", "spec.usages[0]", "spec.expirationSeconds"]

    run_virtual(scenario())


def test_a_certificate_comes_through_status_and_stays() -> None:
    async def scenario() -> None:
        async with world() as api:
            await api.ask("POST", PATH, asking())
            wrong = {"status": {"certificate": pem()}}
            code, answer = await api.ask("PATCH", f"{PATH}/jane/status", wrong, Content_Type=MERGE)
            assert code == 422
            assert "only CERTIFICATE PEM blocks are allowed" in answer["message"]

    run_virtual(scenario())
