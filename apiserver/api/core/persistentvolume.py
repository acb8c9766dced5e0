"""PersistentVolume: a piece of storage, and the claim it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from apiserver.api.columns import AGE, NAME
from apiserver.api.core.persistentvolumeclaim import class_of, modes_cell, or_unset, phase_cell
from apiserver.api.podspec.defaults import default_volume_source
from apiserver.api.podspec.quantities import round_list
from apiserver.api.strategy import KindStatusStrategy, KindStrategy, metadata_update_errors
from apiserver.api.validation.internal import internal
from apiserver.api.validation.persistent_volumes import mount_option_errors, volume_errors
from apiserver.api.validation.pod.diff import volume_source_diff
from apiserver.api.validation.pod.warnings import node_term_warnings
from apiserver.api.validation.volume_sources import source_of
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, field_forbidden, invalid, required
from apiserver.apimachinery.object_meta import IMMUTABLE, immutable
from apiserver.apimachinery.objects import Object, annotations_of, copy, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource

BETA_TO_GA = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
}
TERMS = ("spec", "nodeAffinity", "required", "nodeSelectorTerms")
DEPRECATED_ANNOTATIONS = {
    "volume.beta.kubernetes.io/storage-class": 'deprecated since v1.8; use "storageClassName" attribute instead',
    "volume.beta.kubernetes.io/mount-options": 'deprecated since v1.31; use "mountOptions" attribute instead',
}
RECYCLE_DEPRECATED = (
    "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to "
    "use dynamic provisioning."
)
DEPRECATED_SOURCES = {
    "cephfs": "spec.cephfs: deprecated in v1.28, non-functional in v1.31+",
    "photonPersistentDisk": "spec.photonPersistentDisk: deprecated in v1.11, non-functional in v1.16+",
    "scaleIO": "spec.scaleIO: deprecated in v1.16, non-functional in v1.22+",
    "storageos": "spec.storageOS: deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "spec.glusterfs: deprecated in v1.25, non-functional in v1.26+",
    "rbd": "spec.rbd: deprecated in v1.28, non-functional in v1.31+",
}


class VolumeStrategy(KindStrategy):
    """Mirrors upstream registry/core/persistentvolume and its validation."""

    namespaced = False
    has_status = True
    return_deleted_object = True

    def default(self, obj: Object) -> None:
        spec, status = obj.setdefault("spec", {}), obj.setdefault("status", {})
        if not status.get("phase"):
            status["phase"] = "Pending"
        if not spec.get("persistentVolumeReclaimPolicy"):
            spec["persistentVolumeReclaimPolicy"] = "Retain"
        if spec.get("volumeMode") is None:
            spec["volumeMode"] = "Filesystem"
        round_list(spec.get("capacity"))
        default_volume_source(spec)

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        obj["status"] = {"phase": "Pending", "lastPhaseTransitionTime": ctx.timestamp()}

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        yield from volume_errors(obj)
        yield from mount_option_errors(obj)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        any_values = _has_bad_values(old)
        for _ in range(2):  # upstream validates the whole in its strategy and again in ValidatePersistentVolumeUpdate
            yield from self.metadata_errors(obj)
            yield from volume_errors(obj, any_values=any_values)
            yield from mount_option_errors(obj)
        yield from _change_errors(obj, old)

    def warnings_on_create(self, ctx: Context, obj: Object) -> Iterable[str]:
        spec, annotations = obj.get("spec") or {}, annotations_of(obj)
        for key, message in DEPRECATED_ANNOTATIONS.items():
            if key in annotations:
                yield f"metadata.annotations[{key}]: {message}"
        if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
            yield RECYCLE_DEPRECATED
        for i, term in enumerate(get(obj, *TERMS, default=())):
            yield from node_term_warnings(term, f"{'.'.join(TERMS)}[{i}]", values=False)
        yield from (message for field, message in DEPRECATED_SOURCES.items() if spec.get(field) is not None)

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[str]:
        return self.warnings_on_create(ctx, obj)


def _has_bad_values(old: Object) -> bool:
    return any(
        formats.label_value(value)
        for term in get(old, *TERMS, default=())
        for expression in term.get("matchExpressions") or ()
        for value in expression.get("values") or ()
    )


def _change_errors(obj: Object, old: Object) -> Iterator[FieldError]:
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    source, old_source = copy(source_of(spec)), source_of(before)
    if "csi" in source and "csi" in old_source and old_source["csi"].get("controllerExpandSecretRef") is None:
        source["csi"].pop("controllerExpandSecretRef", None)  # it may be given later
    if source != old_source:
        difference = volume_source_diff(old_source, source)
        detail = f"spec.persistentvolumesource is immutable after creation\n{difference}"
        yield field_forbidden("spec.persistentvolumesource", detail)
    yield from immutable(spec.get("volumeMode"), before.get("volumeMode"), "volumeMode")
    affinity, old_affinity = (internal(s.get("nodeAffinity"), "*VolumeNodeAffinity") for s in (spec, before))
    if old_affinity is not None and affinity != _with_moved_labels(old_affinity, affinity):
        yield invalid("nodeAffinity", affinity, f"{IMMUTABLE}, except for updating from beta label to GA")
    if before.get("volumeAttributesClassName") is not None and spec.get("volumeAttributesClassName") is None:
        yield field_forbidden("spec.volumeAttributesClassName", "update from non-nil value to nil is forbidden")


def _with_moved_labels(old: Any, new: Any) -> Any:
    """The old affinity with the new one's keys where these follow from the old ones (upstream betaToGALabel).

    Upstream looks keys up in a map whose answer for those it does not have is "": so they may become empty as well.
    """
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [_with_moved_labels(o, n) for o, n in zip(old, new, strict=True)]
    if not isinstance(old, dict) or not isinstance(new, dict):
        return old or None if new is None else new if not new and not old else old
    moved = {key: _with_moved_labels(value, new.get(key)) for key, value in old.items()}
    if "Operator" in old and new.get("Key") == BETA_TO_GA.get(old["Key"], ""):
        moved["Key"] = new["Key"]
    return moved


class VolumeStatusStrategy(KindStatusStrategy):
    """`/status`: the phase, and since when."""

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        super().prepare_for_update(ctx, obj, old)
        status, before = obj.setdefault("status", {}), old.get("status") or {}
        since, old_since = status.get("lastPhaseTransitionTime"), before.get("lastPhaseTransitionTime")
        if status.get("phase") != before.get("phase"):
            if since is None or since == old_since:
                status["lastPhaseTransitionTime"] = ctx.timestamp()
        elif since is None and old_since is not None:
            status["lastPhaseTransitionTime"] = old_since

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        if not obj["metadata"].get("resourceVersion"):
            yield required("resourceVersion")


def _claim_cell(obj: Object, now: float) -> str:
    claim = get(obj, "spec", "claimRef")
    return "" if claim is None else f"{claim.get('namespace') or ''}/{claim.get('name') or ''}"


STRATEGY = VolumeStrategy()
RESOURCE = Resource(
    group="",
    plural="persistentvolumes",
    kind="PersistentVolume",
    namespaced=False,
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    short_names=("pv",),
    strategy=STRATEGY,
    subresources=(Subresource(name="status", strategy=VolumeStatusStrategy(STRATEGY)),),
    empty={"spec": {}, "status": {}},
    columns=(
        NAME,
        Column(
            "Capacity",
            lambda obj, now: get(obj, "spec", "capacity", "storage", default="0"),
            description="capacity is the description of the persistent volume's resources and capacity. More info: "
            "https://kubernetes.io/docs/concepts/storage/persistent-volumes#capacity",
        ),
        Column(
            "Access Modes",
            lambda obj, now: modes_cell(get(obj, "spec", "accessModes")),
            description="accessModes contains all ways the volume can be mounted. More info: "
            "https://kubernetes.io/docs/concepts/storage/persistent-volumes#access-modes",
        ),
        Column(
            "Reclaim Policy",
            lambda obj, now: get(obj, "spec", "persistentVolumeReclaimPolicy", default=""),
            description="persistentVolumeReclaimPolicy defines what happens to a persistent volume when released from its "
            "claim. Valid options are Retain (default for manually created PersistentVolumes), Delete (default for dynamically "
            "provisioned PersistentVolumes), and Recycle (deprecated). Recycle must be supported by the volume plugin "
            "underlying this PersistentVolume. More info: "
            "https://kubernetes.io/docs/concepts/storage/persistent-volumes#reclaiming",
        ),
        Column(
            "Status",
            phase_cell,
            description="phase indicates if a volume is available, bound to a claim, or released by a claim. More info: "
            "https://kubernetes.io/docs/concepts/storage/persistent-volumes#phase",
        ),
        Column(
            "Claim",
            _claim_cell,
            description="claimRef is part of a bi-directional binding between PersistentVolume and PersistentVolumeClaim. "
            "Expected to be non-nil when bound. claim.VolumeName is the authoritative bind between PV and PVC. More info: "
            "https://kubernetes.io/docs/concepts/storage/persistent-volumes#binding",
        ),
        Column("StorageClass", lambda obj, now: class_of(obj), description="StorageClass of the pv"),
        Column(
            "VolumeAttributesClass",
            or_unset("volumeAttributesClassName"),
            description="VolumeAttributesClass of the pv",
        ),
        Column(
            "Reason",
            lambda obj, now: get(obj, "status", "reason", default=""),
            description="reason is a brief CamelCase string that describes any failure and is meant for machine parsing and "
            "tidy display in the CLI.",
        ),
        AGE,
        Column(
            "VolumeMode",
            or_unset("volumeMode"),
            priority=1,
            description="volumeMode defines if a volume is intended to be used with a formatted filesystem or to remain in raw "
            "block state. Value of Filesystem is implied when not included in spec.",
        ),
    ),
)
