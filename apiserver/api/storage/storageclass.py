"""StorageClass: a kind of storage that claims may ask for, and who provides it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from apiserver.api.columns import AGE, NAME
from apiserver.api.storage.parameters import GROUP, parameters_errors, provisioner_errors
from apiserver.api.strategy import KindStrategy, metadata_update_errors
from apiserver.api.validation.pod.warnings import DEPRECATED_LABELS
from apiserver.apimachinery.errors import FieldError, duplicate, invalid, not_supported, required
from apiserver.apimachinery.object_meta import IMMUTABLE, label_key_errors
from apiserver.apimachinery.objects import Object, annotations_of, name_of
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion

RECLAIM_POLICIES = ("Delete", "Retain")
BINDING_MODES = ("Immediate", "WaitForFirstConsumer")
DEFAULT_ANNOTATIONS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)
UNCHANGING = ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode")


def is_default(obj: Object) -> bool:
    """Whether claims without a class get this one (upstream pkg/apis/storage/util IsDefaultAnnotation)."""
    annotations = annotations_of(obj)
    return any(annotations.get(key) == "true" for key in DEFAULT_ANNOTATIONS)


class StorageClassStrategy(KindStrategy):
    """Mirrors upstream registry/storage/storageclass and its validation."""

    namespaced = False
    return_deleted_object = True

    def default(self, obj: Object) -> None:
        obj.setdefault("provisioner", "")
        for field, choices in (("reclaimPolicy", RECLAIM_POLICIES), ("volumeBindingMode", BINDING_MODES)):
            if obj.get(field) is None:
                obj[field] = choices[0]

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        provisioner = obj.get("provisioner") or ""
        yield from provisioner_errors(provisioner, "provisioner")
        yield from parameters_errors(obj.get("parameters"), "parameters")
        policy, mode = obj.get("reclaimPolicy"), obj.get("volumeBindingMode")
        if policy and policy not in RECLAIM_POLICIES:
            yield not_supported("reclaimPolicy", policy, RECLAIM_POLICIES)
        if mode not in BINDING_MODES:
            yield not_supported("volumeBindingMode", mode, BINDING_MODES)
        yield from _topologies_errors(obj.get("allowedTopologies") or ())
        if not provisioner:
            yield required("provisioner")

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from self.validate_whole(ctx, obj)
        yield from metadata_update_errors(obj, old)
        for field in UNCHANGING:
            if (obj.get(field) or None) != (old.get(field) or None):
                yield invalid(field, None, IMMUTABLE)

    def warnings_on_create(self, ctx: Context, obj: Object) -> Iterable[str]:
        for i, term in enumerate(obj.get("allowedTopologies") or ()):
            for j, expression in enumerate(term.get("matchLabelExpressions") or ()):
                if message := DEPRECATED_LABELS.get(expression.get("key") or ""):
                    yield f"allowedTopologies[{i}].matchLabelExpressions[{j}].key: {message}"

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[str]:
        return self.warnings_on_create(ctx, obj)


def _topologies_errors(terms: Sequence[Object]) -> Iterator[FieldError]:
    # Upstream's list starts with as many empty terms as there are terms: an empty one is a duplicate of each of them.
    seen: list[dict[str, set[str]]] = [{} for _ in terms]
    for i, term in enumerate(terms):
        path = f"allowedTopologies[{i}]"
        chosen: dict[str, set[str]] = {}
        for j, expression in enumerate(term.get("matchLabelExpressions") or ()):
            here, key = f"{path}.matchLabelExpressions[{j}]", expression.get("key") or ""
            values = expression.get("values") or []
            yield from _values_errors(values, f"{here}.values")
            yield from label_key_errors(key, f"{here}.key")
            if key in chosen:
                yield duplicate(f"{here}.key", key)
            chosen[key] = set(values)
        for other in seen:
            if chosen == other:
                yield duplicate(f"{path}.matchLabelExpressions", "")
        seen.append(chosen)


def _values_errors(values: Sequence[str], path: str) -> Iterator[FieldError]:
    if not values:
        yield required(path)
    for i, value in enumerate(values):
        if value in values[:i]:
            yield duplicate(f"{path}[{i}]", value)


def _default_of_list(classes: Sequence[Object]) -> int | None:
    """The one that claims without a class get: the newest default (upstream getEffectiveDefaultStorageClass)."""
    marked = [i for i, one in enumerate(classes) if is_default(one)]
    newest = max((classes[i]["metadata"].get("creationTimestamp") or "" for i in marked), default="")
    of_then = [i for i in marked if (classes[i]["metadata"].get("creationTimestamp") or "") == newest]
    return min(of_then, key=lambda i: name_of(classes[i]), default=None)


RESOURCE = Resource(
    group=GROUP,
    plural="storageclasses",
    kind="StorageClass",
    namespaced=False,
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    short_names=("sc",),
    strategy=StorageClassStrategy(),
    default_of_list=_default_of_list,
    empty={"provisioner": ""},
    columns=(
        NAME,
        Column(
            "Provisioner",
            lambda obj, now: obj.get("provisioner") or "",
            description="provisioner indicates the type of the provisioner.",
        ),
        Column(
            "ReclaimPolicy",
            lambda obj, now: obj.get("reclaimPolicy", "Delete"),
            description="reclaimPolicy controls the reclaimPolicy for dynamically provisioned PersistentVolumes of this "
            "storage class. Defaults to Delete.",
        ),
        Column(
            "VolumeBindingMode",
            lambda obj, now: obj.get("volumeBindingMode") or "Immediate",
            description="volumeBindingMode indicates how PersistentVolumeClaims should be provisioned and bound.  When unset, "
            "VolumeBindingImmediate is used. This field is only honored by servers that enable the VolumeScheduling feature.",
        ),
        Column(
            "AllowVolumeExpansion",
            lambda obj, now: bool(obj.get("allowVolumeExpansion")),
            description="allowVolumeExpansion shows whether the storage class allow volume expand.",
        ),
        AGE,
    ),
)
