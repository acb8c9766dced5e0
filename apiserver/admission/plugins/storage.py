"""The admission of storage: claims get a class, may grow where it lets them, and nothing in use goes away.

Mirrors upstream plugin/pkg/admission/storage.
"""

from __future__ import annotations

from apiserver.admission import lookups
from apiserver.admission.interface import CREATE, UPDATE, AdmissionPlugin, Attributes
from apiserver.admission.refusals import forbidden
from apiserver.apimachinery import quantity
from apiserver.apimachinery.clock import parse_rfc3339
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object, annotations_of, get, metadata, name_of

CLAIMS = GroupResource("", "persistentvolumeclaims")
VOLUMES = GroupResource("", "persistentvolumes")
CLASSES = GroupResource("storage.k8s.io", "storageclasses")
ATTRIBUTES_CLASSES = GroupResource("storage.k8s.io", "volumeattributesclasses")
FINALIZERS = {
    VOLUMES: "kubernetes.io/pv-protection",
    CLAIMS: "kubernetes.io/pvc-protection",
    ATTRIBUTES_CLASSES: "kubernetes.io/vac-protection",
}
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
DEFAULT_ANNOTATIONS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


class DefaultStorageClass(AdmissionPlugin):
    """A new claim that names no class gets the default one."""

    name = "DefaultStorageClass"
    operations = frozenset({CREATE})
    resources = frozenset({CLAIMS})

    async def admit(self, attributes: Attributes) -> None:
        claim = attributes.obj
        if attributes.subresource or claim is None or _has_class(claim):
            return
        classes = lookups.listed(self.dependencies, CLASSES)
        defaults = [one for one in classes if any(annotations_of(one).get(k) == "true" for k in DEFAULT_ANNOTATIONS)]
        if defaults:
            claim["spec"] = {**(claim.get("spec") or {}), "storageClassName": name_of(newest(defaults))}


def newest(defaults: list[Object]) -> Object:
    """Of several default classes the one made last; of those made at once the first by name."""
    return min(defaults, key=lambda one: (-parse_rfc3339(one["metadata"]["creationTimestamp"]), name_of(one)))


def _has_class(claim: Object) -> bool:
    return CLASS_ANNOTATION in annotations_of(claim) or get(claim, "spec", "storageClassName") is not None


def _class_of(claim: Object) -> str:
    found = annotations_of(claim).get(CLASS_ANNOTATION, get(claim, "spec", "storageClassName"))
    return found or ""


class StorageObjectInUseProtection(AdmissionPlugin):
    """Volumes, claims and classes of attributes begin with a finalizer that only their protection controller removes."""

    name = "StorageObjectInUseProtection"
    operations = frozenset({CREATE})
    resources = frozenset(FINALIZERS)

    async def admit(self, attributes: Attributes) -> None:
        if attributes.subresource or attributes.obj is None:
            return
        meta, finalizer = metadata(attributes.obj), FINALIZERS[attributes.group_resource]
        present = meta.get("finalizers") or []
        if finalizer not in present:
            meta["finalizers"] = [*present, finalizer]


class PersistentVolumeClaimResize(AdmissionPlugin):
    """A bound claim may grow where the class that provided its volume allows it."""

    name = "PersistentVolumeClaimResize"
    operations = frozenset({UPDATE})
    resources = frozenset({CLAIMS})

    async def validate(self, attributes: Attributes) -> None:
        claim, old = attributes.obj, attributes.old
        if attributes.subresource or claim is None or old is None or not _grows(claim, old):
            return
        if get(old, "status", "phase") != "Bound":
            raise forbidden(attributes, "Only bound persistent volume claims can be expanded")
        if not self._may_grow(claim, old):
            raise forbidden(
                attributes,
                "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must "
                "support resize",
            )

    def _may_grow(self, claim: Object, old: Object) -> bool:
        name = _class_of(claim)
        if not name or name != _class_of(old):
            return False
        found = lookups.cached(self.dependencies, CLASSES, "", name)
        return bool(found and found.get("allowVolumeExpansion"))


def _grows(claim: Object, old: Object) -> bool:
    now, before = (get(one, "spec", "resources", "requests", "storage", default="0") for one in (claim, old))
    return quantity.parse(str(now)) > quantity.parse(str(before))
