"""Who may approve and sign; whom nobody becomes."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.admission.interface import UPDATE, AdmissionPlugin
from apiserver.admission.plugins.certificates import (
    CertificateApproval,
    CertificateSigning,
    CertificateSubjectRestriction,
)
from apiserver.admission.tests.worlds import Allowing, World, attributes
from apiserver.api.certificates.tests.test_certificatesigningrequest import pem
from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.errors import StatusError

REQUESTS = "certificatesigningrequests"


def request(signer: str = "example.com/signer", status: Any = None, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "jane"}, "spec": {"signerName": signer, **spec}, "status": status or {}}


def validate(world: World, kind: type[AdmissionPlugin], **given: Any) -> None:
    run_virtual(world.plugin(kind).validate(attributes(REQUESTS, **given)))


@pytest.mark.parametrize("allowed", ["example.com/signer", "example.com/*"])
def test_who_may_approve_for_a_signer_or_its_domain_may_approve(allowed: str) -> None:
    world = World()
    given = {"obj": request(), "old": request(), "operation": UPDATE, "subresource": "approval"}
    world.authorizer = Allowing()
    with pytest.raises(StatusError, match="user not permitted to approve requests with signerName"):
        validate(world, CertificateApproval, **given)
    world.authorizer = Allowing(("approve", "signers", allowed))
    validate(world, CertificateApproval, **given)


def test_only_signers_change_the_certificate() -> None:
    world = World()
    world.authorizer = Allowing()
    given = {"old": request(), "operation": UPDATE, "subresource": "status"}
    validate(world, CertificateSigning, obj=request(), **given)
    with pytest.raises(StatusError, match="user not permitted to sign requests"):
        validate(world, CertificateSigning, obj=request(status={"certificate": "eA=="}), **given)


def test_nobody_becomes_a_master_by_a_certificate() -> None:
    signer = "kubernetes.io/kube-apiserver-client"
    validate(World(), CertificateSubjectRestriction, obj=request(signer, request=pem("dev")))
    with pytest.raises(StatusError, match="signer with system:masters group is not allowed"):
        validate(World(), CertificateSubjectRestriction, obj=request(signer, request=pem("system:masters")))
