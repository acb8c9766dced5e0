"""A kubelet that bootstraps gets its client certificate by the loops alone; others wait for somebody's approval."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.http import UserInfo
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import Client
from apiserver.client.transport import LoopbackTransport
from controllers.framework.kinds import CERTIFICATE_SIGNING_REQUESTS as CSRS
from controllers.framework.kinds import POD_CERTIFICATE_REQUESTS as POD_CSRS
from controllers.loops.certificates.requests import API_SERVER_CLIENT, KUBELET_CLIENT, KUBELET_SERVING
from controllers.loops.tests.certificates import authority, csr, key, request
from controllers.tests.worlds import LoopWorld, loop_world

LOOPS = tuple(f"certificatesigningrequest-{part}-controller" for part in ("approving", "signing", "cleaner"))
HOUR = 3600.0


async def _see(w: LoopWorld, name: str) -> Object:
    return await w.resource(CSRS).get(name)


def _conditions(obj: Object) -> list[tuple[str, str, str]]:
    found = (obj.get("status") or {}).get("conditions") or ()
    return [(c["type"], c["reason"], c["message"]) for c in found]


async def _approve(w: LoopWorld, name: str) -> None:
    obj = await _see(w, name)
    condition = {"type": "Approved", "status": "True", "reason": "ByHand", "message": "looks good"}
    obj["status"] = {"conditions": [condition]}
    await w.resource(CSRS).update(obj, subresource="approval")


async def _as(w: LoopWorld, user: str, obj: dict[str, Any]) -> None:
    """Create a request as somebody who may do no more than that."""
    rule = {"apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests"], "verbs": ["create"]}
    role = {"metadata": {"name": "csr"}, "rules": [rule]}
    subject = {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
    role_ref = {"kind": "ClusterRole", "name": "csr", "apiGroup": "rbac.authorization.k8s.io"}
    root = "/apis/rbac.authorization.k8s.io/v1"
    for kind, made in (("clusterroles", role), ("clusterrolebindings", {**role, "subjects": [subject]})):
        body: dict[str, Any] = dict(made)
        if kind == "clusterrolebindings":
            body = {"metadata": {"name": "csr"}, "subjects": [subject], "roleRef": role_ref}
        status, _ = await w.server.ask("POST", f"{root}/{kind}", body)
        assert status == 201
    await w.settle(1)  # the authorizer sees the roles
    transport = LoopbackTransport(w.server.server.handler, user=UserInfo(user, ("system:authenticated",)))
    await Client(transport).resource(CSRS).create(obj)
    await transport.aclose()


def test_a_node_that_asks_for_itself_is_approved_and_signed(tmp_path: Path) -> None:
    async def main() -> None:
        async with loop_world(*LOOPS, settings=authority(tmp_path)) as w:
            await w.resource(CSRS).create(csr("node", KUBELET_CLIENT))
            await w.settle()
            signed = await _see(w, "node")
            message = "Auto approving kubelet client certificate after SubjectAccessReview."
            assert _conditions(signed) == [("Approved", "AutoApproved", message)]
            certificate = x509.load_pem_x509_certificate(base64.b64decode(signed["status"]["certificate"]))
            assert certificate.subject.rfc4514_string() == "CN=system:node:n1,O=system:nodes"

    run_virtual(main())


def test_who_may_not_have_one_is_not_approved(tmp_path: Path) -> None:
    async def main() -> None:
        async with loop_world(*LOOPS, settings=authority(tmp_path)) as w:
            await _as(w, "bob", csr("node", KUBELET_CLIENT))
            await w.settle(60)
            assert _conditions(await _see(w, "node")) == []

    run_virtual(main())


def test_others_are_signed_once_somebody_approved_them_and_for_the_time_they_ask(tmp_path: Path) -> None:
    async def main() -> None:
        async with loop_world(*LOOPS, settings=authority(tmp_path)) as w:
            wanted = csr("alice", API_SERVER_CLIENT, request("alice", ("devs",)), expirationSeconds=7200)
            await w.resource(CSRS).create(wanted)
            await w.settle()
            assert "certificate" not in ((await _see(w, "alice")).get("status") or {})
            await _approve(w, "alice")
            await w.settle()
            signed = await _see(w, "alice")
            certificate = x509.load_pem_x509_certificate(base64.b64decode(signed["status"]["certificate"]))
            life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
            assert life.total_seconds() == 7200 + 300

    run_virtual(main())


def test_what_a_signer_refuses_has_failed(tmp_path: Path) -> None:
    async def main() -> None:
        async with loop_world(*LOOPS, settings=authority(tmp_path)) as w:
            usages = ("digital signature", "server auth")
            await w.resource(CSRS).create(csr("serving", KUBELET_SERVING, request("bob", dns=("b",)), usages))
            await _approve(w, "serving")
            await w.settle()
            message = "subject common name does not begin with system:node:"
            assert _conditions(await _see(w, "serving"))[1] == ("Failed", "SignerValidationFailure", message)

    run_virtual(main())


def test_signed_requests_go_after_an_hour_and_waiting_ones_after_a_day(tmp_path: Path) -> None:
    async def main() -> None:
        async with loop_world(*LOOPS, settings=authority(tmp_path)) as w:
            await w.resource(CSRS).create(csr("node", KUBELET_CLIENT))
            await w.resource(CSRS).create(csr("alice", API_SERVER_CLIENT, request("alice")))
            await w.settle(2.1 * HOUR)
            assert [c["metadata"]["name"] for c in await w.all(CSRS, "")] == ["alice"]
            await w.settle(23 * HOUR)
            assert await w.all(CSRS, "") == []

    run_virtual(main())


def _pod_request(name: str) -> dict[str, Any]:
    names = {
        f"{who}{what}": f"{who.lower()}-1" for who in ("pod", "serviceAccount", "node") for what in ("Name", "UID")
    }
    nobody = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key(), hashes.SHA256())
    stub = base64.b64encode(nobody.public_bytes(Encoding.DER)).decode()
    spec = {"signerName": "example.com/s", **names, "stubPKCS10Request": stub}
    return {"metadata": {"name": name}, "spec": spec}


def test_requests_of_pods_go_after_a_quarter_of_an_hour() -> None:
    async def main() -> None:
        async with loop_world("podcertificaterequest-cleaner-controller") as w:
            await w.resource(POD_CSRS).create(_pod_request("old"), "default")
            await w.settle(600)
            await w.resource(POD_CSRS).create(_pod_request("new"), "default")
            await w.settle(605)
            assert [r["metadata"]["name"] for r in await w.all(POD_CSRS)] == ["new"]

    run_virtual(main())
