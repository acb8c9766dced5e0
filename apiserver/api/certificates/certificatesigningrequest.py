"""CertificateSigningRequest: somebody asks a signer for a certificate; somebody else approves, the signer issues."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apiserver.api.certificates.request_errors import (
    APPROVED,
    DENIED,
    FAILED,
    Allowances,
    conditions_of,
    request_errors,
    update_errors,
)
from apiserver.api.columns import AGE, NAME
from apiserver.api.strategy import KindStatusStrategy, KindStrategy
from apiserver.apimachinery import duration
from apiserver.apimachinery.errors import FieldError
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource

Paths = tuple[tuple[str, ...], ...]


class RequestStrategy(KindStrategy):
    """Mirrors upstream registry/certificates/certificates: who asks is who the server says; the wish never changes."""

    namespaced = False

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("request", None)
        spec.setdefault("signerName", "")
        obj.setdefault("status", {})

    def name_errors(self, name: str, prefix: bool) -> Iterable[str]:
        return ()

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        given, user = obj.get("spec") or {}, ctx.user
        spec = {field: given.get(field) for field in ("request", "signerName")}
        spec.update({field: given[field] for field in ("expirationSeconds", "usages") if given.get(field) is not None})
        who = {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
        spec.update({field: value for field, value in who.items() if value})
        if user.extra:
            spec["extra"] = {key: list(values) for key, values in sorted(user.extra)}
        obj["spec"], obj["status"] = spec, {}

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        obj["spec"], obj["status"] = old.get("spec") or {}, old.get("status") or {}

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        return request_errors(obj, Allowances())

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        return update_errors(obj, old, self.metadata_errors(obj))

    def reset_fields(self, version: str) -> Paths:
        return (("spec",), ("status",))


def _set_times(obj: Object, old: Object, now: str) -> None:
    """Conditions without times get them; the transition time stays while the status does."""
    for condition in conditions_of(obj):
        if not condition.get("lastUpdateTime"):
            condition["lastUpdateTime"] = now
        if not condition.get("lastTransitionTime"):
            same = (
                other["lastTransitionTime"]
                for other in conditions_of(old)
                if other.get("lastTransitionTime")
                and all(other.get(field) == condition.get(field) for field in ("type", "status"))
            )
            condition["lastTransitionTime"] = next(same, now)


def _copied_conditions(obj: Object) -> list[Object]:
    return [dict(condition) for condition in conditions_of(obj)]


class RequestStatusStrategy(KindStatusStrategy):
    """`/status`: the signer's certificate, or its failure; decisions stay as they are."""

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        obj["spec"] = old.get("spec") or {}
        if not conditions_of(obj):
            return
        status = obj["status"] = {**obj["status"], "conditions": _copied_conditions(obj)}
        for kind in (APPROVED, DENIED):
            stored = [condition for condition in conditions_of(old) if condition.get("type") == kind]
            places = [i for i, condition in enumerate(status["conditions"]) if condition.get("type") == kind]
            if len(stored) == len(places):
                for place, condition in zip(places, stored, strict=True):
                    status["conditions"][place] = condition
        _set_times(obj, old, ctx.timestamp())

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        return update_errors(obj, old, STRATEGY.metadata_errors(obj), may_issue=True)

    def reset_fields(self, version: str) -> Paths:
        return (("spec",), ("status", "conditions"))


class RequestApprovalStrategy(KindStatusStrategy):
    """`/approval`: the only door through which decisions come."""

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        conditions = _copied_conditions(obj)
        obj["spec"] = old.get("spec") or {}
        obj["status"] = {key: value for key, value in (old.get("status") or {}).items() if key != "conditions"}
        if conditions:
            obj["status"] = {"conditions": conditions, **obj["status"]}
        _set_times(obj, old, ctx.timestamp())

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        return update_errors(obj, old, STRATEGY.metadata_errors(obj), may_decide=True)

    def reset_fields(self, version: str) -> Paths:
        return (("spec",), ("status", "certificate"))


def _signer(obj: Object) -> str:
    return get(obj, "spec", "signerName", default="")  # type: ignore[no-any-return]


def _duration_cell(obj: Object, now: float) -> str:
    seconds = get(obj, "spec", "expirationSeconds")
    return "<none>" if seconds is None else duration.human(seconds)


def _condition_cell(obj: Object, now: float) -> str:
    kinds = {condition.get("type") for condition in conditions_of(obj)}
    shown = "Denied" if DENIED in kinds else "Approved" if APPROVED in kinds else "Pending"
    shown += ",Failed" if FAILED in kinds else ""
    return shown + (",Issued" if get(obj, "status", "certificate") else "")


STRATEGY = RequestStrategy()
RESOURCE = Resource(
    group="certificates.k8s.io",
    plural="certificatesigningrequests",
    kind="CertificateSigningRequest",
    namespaced=False,
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    short_names=("csr",),
    strategy=STRATEGY,
    selectable={"spec.signerName": _signer},
    subresources=(
        Subresource(name="approval", strategy=RequestApprovalStrategy(STRATEGY)),
        Subresource(name="status", strategy=RequestStatusStrategy(STRATEGY)),
    ),
    empty={"spec": {"request": None, "signerName": ""}, "status": {}},
    columns=(
        NAME,
        AGE,
        Column(
            "SignerName",
            lambda obj, now: _signer(obj) or "<none>",
            description="Requested signer for the request. It is a qualified name in the form: `scope-hostname.io/name`. If "
            "empty, it will be defaulted:\n 1. If it's a kubelet client certificate, it is assigned\n    "
            '"kubernetes.io/kube-apiserver-client-kubelet".\n 2. If it\'s a kubelet serving certificate, it is assigned\n    '
            '"kubernetes.io/kubelet-serving".\n 3. Otherwise, it is assigned "kubernetes.io/legacy-unknown".\nDistribution of '
            "trust for signers happens out of band. You can select on this field using `spec.signerName`.",
        ),
        Column(
            "Requestor",
            lambda obj, now: get(obj, "spec", "username", default=""),
            description="Base64-encoded PKCS#10 CSR data",
        ),
        Column(
            "RequestedDuration",
            _duration_cell,
            description="expirationSeconds is the requested duration of validity of the issued certificate. The certificate "
            "signer may issue a certificate with a different validity duration so a client must check the delta between the "
            "notBefore and and notAfter fields in the issued certificate to determine the actual duration.\n\nThe v1.22+ "
            "in-tree implementations of the well-known Kubernetes signers will honor this field as long as the requested "
            "duration is not greater than the maximum duration they will honor per the --cluster-signing-duration CLI flag to "
            "the Kubernetes controller manager.\n\nCertificate signers may not honor this field for various reasons:\n\n  1. "
            "Old signer that is unaware of the field (such as the in-tree\n     implementations prior to v1.22)\n  2. Signer "
            "whose configured maximum is shorter than the requested duration\n  3. Signer whose configured minimum is longer "
            "than the requested duration\n\nThe minimum valid value for expirationSeconds is 600, i.e. 10 minutes.",
        ),
        Column(
            "Condition",
            _condition_cell,
            description="Conditions applied to the request, such as approval or denial.",
        ),
    ),
)
