"""Certificate requests: who may approve and sign for a signer, and whom nobody becomes by a certificate.

Mirrors upstream plugin/pkg/admission/certificates and pkg/certauthorization.
"""

from __future__ import annotations

from apiserver.admission.interface import CREATE, UPDATE, AdmissionPlugin, Attributes
from apiserver.admission.refusals import forbidden
from apiserver.apimachinery.errors import go_quote
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object, get
from apiserver.auth.signer_permission import is_permitted

REQUESTS = GroupResource("certificates.k8s.io", "certificatesigningrequests")
BUNDLES = GroupResource("certificates.k8s.io", "clustertrustbundles")
CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"
MASTERS = "system:masters"


class _SignerPlugin(AdmissionPlugin):
    """Asks the authorizer for a verb on the signer of a request."""

    operations = frozenset({UPDATE})
    resources = frozenset({REQUESTS})

    async def check(self, attributes: Attributes, verb: str) -> None:
        signer = get(attributes.old, "spec", "signerName", default="")
        if not await is_permitted(self.dependencies.authorizer, attributes.user, verb, signer):
            raise forbidden(attributes, f"user not permitted to {verb} requests with signerName {go_quote(signer)}")


class CertificateApproval(_SignerPlugin):
    name = "CertificateApproval"

    async def validate(self, attributes: Attributes) -> None:
        if attributes.subresource == "approval":
            await self.check(attributes, "approve")


class CertificateSigning(_SignerPlugin):
    name = "CertificateSigning"

    async def validate(self, attributes: Attributes) -> None:
        if attributes.subresource == "status" and _status(attributes.obj) != _status(attributes.old):
            await self.check(attributes, "sign")


def _status(request: Object | None) -> tuple[object, object]:
    return get(request, "status", "certificate", default=""), get(request, "status", "conditions", default=[])


class ClusterTrustBundleAttest(AdmissionPlugin):
    """Who may attest for a signer writes its trust bundles; metadata that garbage collection needs is free."""

    name = "ClusterTrustBundleAttest"
    operations = frozenset({CREATE, UPDATE})
    resources = frozenset({BUNDLES})

    async def validate(self, attributes: Attributes) -> None:
        signer = get(attributes.obj, "spec", "signerName", default="")
        if not signer or (
            attributes.operation == UPDATE and _without_gc_fields(attributes.obj) == _without_gc_fields(attributes.old)
        ):
            return
        if not await is_permitted(self.dependencies.authorizer, attributes.user, "attest", signer):
            raise forbidden(attributes, f"user not permitted to attest for signerName {go_quote(signer)}")


def _without_gc_fields(bundle: Object | None) -> Object:
    """Upstream rbac.IsOnlyMutatingGCFields: all but ownerReferences, finalizers and what every write changes."""
    bundle = bundle or {}
    freed = ("ownerReferences", "finalizers", "resourceVersion", "managedFields")
    meta = {key: value for key, value in (bundle.get("metadata") or {}).items() if key not in freed}
    return {**{key: value for key, value in bundle.items() if key not in ("kind", "apiVersion")}, "metadata": meta}


class CertificateSubjectRestriction(AdmissionPlugin):
    """Nobody gets a client certificate of the group system:masters."""

    name = "CertificateSubjectRestriction"
    operations = frozenset({CREATE})
    resources = frozenset({REQUESTS})

    async def validate(self, attributes: Attributes) -> None:
        if attributes.subresource or get(attributes.obj, "spec", "signerName") != CLIENT_SIGNER:
            return
        from apiserver.auth.certificate_pem import decoded, organizations

        try:
            groups = organizations(decoded(get(attributes.obj, "spec", "request")))
        except ValueError as e:
            raise forbidden(attributes, f"failed to parse CSR: {e}") from e
        if MASTERS in groups:
            raise forbidden(attributes, f"use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed")
