"""PodCertificateRequest: a kubelet asks a signer for the certificate of one of its pods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from apiserver.api.certificates.pod_request_errors import ANSWERS, conditions_of, spec_errors, status_errors
from apiserver.api.columns import NAME
from apiserver.api.core.pod_mutations import reset_metadata_for_status
from apiserver.api.relabel import relabel
from apiserver.api.strategy import KindStatusStrategy, KindStrategy, metadata_update_errors
from apiserver.api.validation.internal import immutable_internal
from apiserver.apimachinery.errors import FieldError, field_forbidden, go_quote
from apiserver.apimachinery.objects import Object, get
from apiserver.auth.signer_permission import is_permitted
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource

if TYPE_CHECKING:
    from apiserver.registry.dependencies import Dependencies

DEFAULT_SECONDS = 24 * 60 * 60


class PodCertificateRequestStrategy(KindStrategy):
    """Mirrors upstream registry/certificates/podcertificaterequest."""

    allow_unconditional_update = False
    has_status = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        if spec.get("maxExpirationSeconds") is None:
            spec["maxExpirationSeconds"] = DEFAULT_SECONDS

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        obj["status"] = {}

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        obj["status"] = old.get("status") or {}

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        return spec_errors(obj.get("spec") or {})

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        yield from immutable_internal(obj.get("spec"), old.get("spec"), "PodCertificateRequestSpec", "spec")


class PodCertificateRequestStatusStrategy(KindStatusStrategy):
    """`/status`: the signer's answer."""

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        super().prepare_for_update(ctx, obj, old)
        reset_metadata_for_status(obj["metadata"], old["metadata"])

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        found = list(metadata_update_errors(obj, old))
        yield from found
        if not found:
            yield from status_errors(obj, old, ctx.clock.now())

    def reset_fields(self, version: str) -> tuple[tuple[str, ...], ...]:
        return (("metadata",), ("spec",))


class SigningChecks:
    """Only who may sign for the signer answers."""

    def __init__(self, dependencies: Dependencies) -> None:
        self.dependencies = dependencies

    async def of_new(self, ctx: Context, obj: Object, found: list[FieldError]) -> list[FieldError]:
        return found

    async def of_change(self, ctx: Context, obj: Object, old: Object, found: list[FieldError]) -> list[FieldError]:
        if found or ctx.subresource != "status" or (obj.get("status") or {}) == (old.get("status") or {}):
            return found
        signer = _spec(old, "signerName")
        if await is_permitted(self.dependencies.authorizer, ctx.user, "sign", signer):
            return []
        user = go_quote(ctx.user.name)
        why = f'User {user} is not permitted to "sign" for signer {go_quote(signer)}'
        return [field_forbidden("spec.signerName", why)]


def _spec(obj: Object, field: str) -> str:
    return get(obj, "spec", field, default="")  # type: ignore[no-any-return]


def _state_cell(obj: Object, now: float) -> str:
    answers = [condition["type"] for condition in conditions_of(obj) if condition.get("type") in ANSWERS]
    return answers[-1] if answers else "Pending"


def _annotations_cell(obj: Object, now: float) -> str:
    annotations = get(obj, "spec", "unverifiedUserAnnotations", default={})
    return ",".join(f"{key}={annotations[key]}" for key in sorted(annotations)) or "<none>"


STRATEGY = PodCertificateRequestStrategy()
RESOURCE = Resource(
    group="certificates.k8s.io",
    plural="podcertificaterequests",
    kind="PodCertificateRequest",
    versions=(ServedVersion("v1"),),
    storage_version="v1beta1",
    convert=relabel,
    strategy=STRATEGY,
    subresources=(Subresource(name="status", strategy=PodCertificateRequestStatusStrategy(STRATEGY)),),
    checks=lambda dependencies, store: SigningChecks(dependencies),
    selectable={
        "spec.signerName": lambda obj: _spec(obj, "signerName"),
        "spec.podName": lambda obj: _spec(obj, "podName"),
        "spec.nodeName": lambda obj: _spec(obj, "nodeName"),
    },
    selects_namespace=False,
    empty={
        "spec": {
            **dict.fromkeys(("signerName", "podName", "podUID", "serviceAccountName", "serviceAccountUID"), ""),
            **dict.fromkeys(("nodeName", "nodeUID"), ""),
            "stubPKCS10Request": None,
        },
        "status": {},
    },
    columns=(
        NAME,
        Column(
            "PodName",
            lambda obj, now: _spec(obj, "podName"),
            description="podName is the name of the pod into which the certificate will be mounted.",
        ),
        Column(
            "ServiceAccountName",
            lambda obj, now: _spec(obj, "serviceAccountName"),
            description="serviceAccountName is the name of the service account the pod is running as.",
        ),
        Column(
            "NodeName",
            lambda obj, now: _spec(obj, "nodeName"),
            description="nodeName is the name of the node the pod is assigned to.",
        ),
        Column(
            "SignerName",
            lambda obj, now: _spec(obj, "signerName"),
            description="signerName indicates the requested signer.\n\nAll signer names beginning with `kubernetes.io` "
            "are reserved for use by the Kubernetes project.  There is currently one well-known signer "
            "documented by the Kubernetes project, `kubernetes.io/kube-apiserver-client-pod`, which will "
            "issue client certificates understood by kube-apiserver.  It is currently unimplemented.",
        ),
        Column("State", _state_cell, description="Is the request Pending, Issued, Denied, or Failed?"),
        Column(
            "UnverifiedUserAnnotations",
            _annotations_cell,
            description="unverifiedUserAnnotations allow pod authors to pass additional information to the signer "
            "implementation.  Kubernetes does not restrict or validate this metadata in any "
            "way.\n\nEntries are subject to the same validation as object metadata annotations, with the "
            "addition that all keys must be domain-prefixed. No restrictions are placed on values, except "
            "an overall size limitation on the entire field.\n\nSigners should document the keys and "
            "values they support.  Signers should deny requests that contain keys they do not recognize.",
        ),
    ),
)
