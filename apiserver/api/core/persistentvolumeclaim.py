"""PersistentVolumeClaim: a wish for storage, bound to a PersistentVolume."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from apiserver.api.columns import AGE, NAME
from apiserver.api.podspec.quantities import round_list
from apiserver.api.strategy import KindStatusStrategy, KindStrategy
from apiserver.api.validation.claim_updates import claim_status_errors, claim_update_errors
from apiserver.api.validation.label_selectors import label_selector_errors
from apiserver.api.validation.volume_claims import claim_spec_errors, claim_spec_warnings
from apiserver.apimachinery.errors import FieldError
from apiserver.apimachinery.objects import Object, annotations_of, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource

CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
CLASS_DEPRECATED = 'deprecated since v1.8; use "storageClassName" attribute instead'
MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


class ClaimStrategy(KindStrategy):
    """Mirrors upstream registry/core/persistentvolumeclaim and its validation."""

    has_status = True
    return_deleted_object = True

    def default(self, obj: Object) -> None:
        spec, status = obj.setdefault("spec", {}), obj.setdefault("status", {})
        resources = spec.setdefault("resources", {})
        if spec.get("volumeMode") is None:
            spec["volumeMode"] = "Filesystem"
        if not status.get("phase"):
            status["phase"] = "Pending"
        for amounts in (resources.get("limits"), resources.get("requests")):
            round_list(amounts)
        for field in ("capacity", "allocatedResources"):
            round_list(status.get(field))

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        obj["status"] = {"phase": "Pending"}
        _settle_data_sources(spec, None)

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        super().prepare_for_update(ctx, obj, old)
        _settle_data_sources(obj.setdefault("spec", {}), old.get("spec") or {})

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        return claim_spec_errors(obj.get("spec") or {}, "spec")

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        any_values = any(label_selector_errors(get(old, "spec", "selector"), ""))
        whole = self.metadata_errors(obj)
        return claim_update_errors(obj, old, whole, any_values=any_values)

    def warnings_on_create(self, ctx: Context, obj: Object) -> Iterable[str]:
        if CLASS_ANNOTATION in annotations_of(obj):
            yield f"metadata.annotations[{CLASS_ANNOTATION}]: {CLASS_DEPRECATED}"
        yield from claim_spec_warnings(obj.get("spec") or {}, "spec")

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[str]:
        return self.warnings_on_create(ctx, obj)


def _settle_data_sources(spec: Object, old: Object | None) -> None:
    """Upstream pkg/api/persistentvolumeclaim: what only a gate would allow goes, then both forms say the same."""
    old = old or {}
    reference = spec.get("dataSourceRef")
    if reference is not None and reference.get("namespace") and old.get("dataSourceRef") is None:
        del spec["dataSourceRef"]
    named_before = old.get("dataSource") is not None or old.get("dataSourceRef") is not None
    if not named_before and spec.get("dataSourceRef") is None and not _is_claim_or_snapshot(spec.get("dataSource")):
        spec.pop("dataSource", None)
    normalize_data_sources(spec)


def _is_claim_or_snapshot(source: Object | None) -> bool:
    named = ((source or {}).get("apiGroup") or "", (source or {}).get("kind"))
    return named in (("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot"))


def normalize_data_sources(spec: Object) -> None:
    """Make dataSource and dataSourceRef say the same, where one of them is absent (upstream NormalizeDataSources)."""
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and reference is None:
        spec["dataSourceRef"] = _reference(source)
    elif reference is not None and source is None and not reference.get("namespace"):
        spec["dataSource"] = _reference(reference)


def _reference(source: Object) -> Object:
    """The same target in Go's order of fields."""
    return {
        "apiGroup": source.get("apiGroup"),
        "kind": source.get("kind") or "",
        "name": source.get("name") or "",
    }


def _decorate(obj: Object) -> None:
    normalize_data_sources(obj["spec"])


class ClaimStatusStrategy(KindStatusStrategy):
    """`/status`: phase, capacity, modes, as the binder and the resizer find them."""

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        super().prepare_for_update(ctx, obj, old)
        if get(old, "status", "healthStatus") is None:  # the gate CSIVolumeHealth is off
            (obj.get("status") or {}).pop("healthStatus", None)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        return claim_status_errors(obj, old)


def class_of(obj: Object) -> str:
    """The class a claim or volume names; the old annotation goes first."""
    annotation = annotations_of(obj).get(CLASS_ANNOTATION)
    return annotation if annotation is not None else get(obj, "spec", "storageClassName", default="")


def modes_cell(modes: Iterable[str] | None) -> str:
    found = set(modes or ())
    return ",".join(short for mode, short in MODES.items() if mode in found)


def phase_cell(obj: Object, now: float) -> str:
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return get(obj, "status", "phase", default="")  # type: ignore[no-any-return]


def or_unset(field: str) -> Any:
    """The text of a field of the spec, and what stands for none."""

    def cell(obj: Object, now: float) -> str:
        value = get(obj, "spec", field)
        return "<unset>" if value is None else value

    return cell


def _is_bound(obj: Object) -> bool:
    return bool(get(obj, "spec", "volumeName"))


STRATEGY = ClaimStrategy()
RESOURCE = Resource(
    group="",
    plural="persistentvolumeclaims",
    kind="PersistentVolumeClaim",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    short_names=("pvc",),
    strategy=STRATEGY,
    decorate=_decorate,
    subresources=(Subresource(name="status", strategy=ClaimStatusStrategy(STRATEGY)),),
    empty={"spec": {"resources": {}}, "status": {}},
    columns=(
        NAME,
        Column("Status", phase_cell, description="phase represents the current phase of PersistentVolumeClaim."),
        Column(
            "Volume",
            lambda obj, now: get(obj, "spec", "volumeName", default=""),
            description="volumeName is the binding reference to the PersistentVolume backing this claim.",
        ),
        Column(
            "Capacity",
            lambda obj, now: get(obj, "status", "capacity", "storage", default="0") if _is_bound(obj) else "",
            description="capacity represents the actual resources of the underlying volume.",
        ),
        Column(
            "Access Modes",
            lambda obj, now: modes_cell(get(obj, "status", "accessModes")) if _is_bound(obj) else "",
            description="accessModes contains the actual access modes the volume backing the PVC has. More info: "
            "https://kubernetes.io/docs/concepts/storage/persistent-volumes#access-modes-1",
        ),
        Column("StorageClass", lambda obj, now: class_of(obj), description="StorageClass of the pvc"),
        Column(
            "VolumeAttributesClass",
            or_unset("volumeAttributesClassName"),
            description="VolumeAttributesClass of the pvc",
        ),
        AGE,
        Column(
            "VolumeMode",
            or_unset("volumeMode"),
            priority=1,
            description="volumeMode defines what type of volume is required by the claim. Value of Filesystem is implied when "
            "not included in claim spec.",
        ),
    ),
)
