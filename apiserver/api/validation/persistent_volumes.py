"""PersistentVolumeSpec: what a volume is, where it can be reached, what becomes of it (upstream ValidatePersistentVolumeSpec).

Inline specs of VolumeAttachments are held to fewer fields.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from apiserver.api.validation.claim_updates import basic_resource_errors
from apiserver.api.validation.pod.scheduling import node_selector_errors
from apiserver.api.validation.resources import positive_quantity
from apiserver.api.validation.volume_claims import ACCESS_MODES, VOLUME_MODES
from apiserver.api.validation.volume_sources import VOLUME_SOURCES, iscsi_name_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, field_forbidden, invalid, not_supported, required
from apiserver.apimachinery.objects import Object, annotations_of, name_of
from apiserver.apimachinery.quantity import parse

RECLAIM_POLICIES = ("Delete", "Recycle", "Retain")
INLINE = "in the context of inline volumes"
ONE_TYPE = "may not specify more than 1 volume type"
MOUNT_OPTIONS = "volume.beta.kubernetes.io/mount-options"
# Sources whose mount options an annotation may give (upstream pkg/volume/validation).
WITH_MOUNT_OPTIONS = (
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "nfs",
    "rbd",
    "quobyte",
    "iscsi",
    "cinder",
    "cephfs",
    "azureFile",
    "vsphereVolume",
    "azureDisk",
    "photonPersistentDisk",
)


def volume_spec_errors(
    spec: Object, path: str, name: str = "", *, inline: bool = False, any_values: bool = False
) -> Iterator[FieldError]:
    """`any_values` lets invalid values in the node affinity pass that are stored already."""
    if inline:
        yield from _inline_errors(spec, path)
    yield from _modes_errors(spec.get("accessModes") or (), f"{path}.accessModes")
    if not inline:
        yield from _capacity_errors(spec.get("capacity") or {}, f"{path}.capacity")
    yield from _reclaim_errors(spec.get("persistentVolumeReclaimPolicy") or "", path, inline)
    yield from _affinity_errors(spec.get("nodeAffinity"), f"{path}.nodeAffinity", inline, any_values)
    yield from _source_errors(spec, path, name)
    yield from _class_errors(spec.get("storageClassName") or "", f"{path}.storageClassName", inline)
    yield from _mode_errors(spec.get("volumeMode"), f"{path}.volumeMode", inline)
    if spec.get("volumeAttributesClassName") is not None and not inline:
        yield from _attributes_class_errors(spec, path)


def mount_option_errors(obj: Object) -> Iterator[FieldError]:
    """Upstream pkg/volume/validation checkMountOption."""
    spec = obj.get("spec") or {}
    if MOUNT_OPTIONS in annotations_of(obj) and not any(spec.get(field) for field in WITH_MOUNT_OPTIONS):
        yield field_forbidden(
            f"metadata.annotations.{MOUNT_OPTIONS}", "may not specify mount options for this volume type"
        )


def volume_errors(obj: Object, *, any_values: bool = False) -> Iterator[FieldError]:
    """A PersistentVolume, metadata aside."""
    return volume_spec_errors(obj.get("spec") or {}, "spec", name_of(obj), any_values=any_values)


def _inline_errors(spec: Object, path: str) -> Iterator[FieldError]:
    for field, present in (("claimRef", spec.get("claimRef") is not None), ("capacity", bool(spec.get("capacity")))):
        if present:
            yield field_forbidden(f"{path}.{field}", f"may not be specified {INLINE}")
    if spec.get("csi") is None:
        yield required(f"{path}.csi", f"has to be specified {INLINE}")


def _modes_errors(modes: Sequence[str], path: str) -> Iterator[FieldError]:
    if not modes:
        yield required(path)
    for mode in modes:
        if mode not in ACCESS_MODES:
            yield not_supported(path, mode, ACCESS_MODES)
    if "ReadWriteOncePod" in modes and any(m in ACCESS_MODES and m != "ReadWriteOncePod" for m in modes):
        yield field_forbidden(path, "may not use ReadWriteOncePod with other access modes")


def _capacity_errors(capacity: Object, path: str) -> Iterator[FieldError]:
    if not capacity:
        yield required(path)
    if "storage" not in capacity or len(capacity) > 1:
        yield not_supported(path, dict(sorted(capacity.items())) or None, ("storage",))
    for name, text in capacity.items():
        amount = parse(text)
        yield from basic_resource_errors(amount, f"{path}[{name}]")
        yield from positive_quantity(amount, f"{path}[{name}]")


def _reclaim_errors(policy: str, path: str, inline: bool) -> Iterator[FieldError]:
    here = f"{path}.persistentVolumeReclaimPolicy"
    if inline and policy not in ("", "Retain"):
        yield field_forbidden(here, f"may only be Retain {INLINE}")
    elif policy and not inline and policy not in RECLAIM_POLICIES:
        yield not_supported(here, policy, RECLAIM_POLICIES)


def _affinity_errors(affinity: Object | None, path: str, inline: bool, any_values: bool) -> Iterator[FieldError]:
    if affinity is None:
        return
    if inline:
        yield field_forbidden(path, f"may not be specified {INLINE}")
    elif affinity.get("required") is None:
        yield required(f"{path}.required", "must specify required node constraints")
    else:
        yield from node_selector_errors(affinity["required"], f"{path}.required", any_values=any_values)


def _source_errors(spec: Object, path: str, name: str) -> Iterator[FieldError]:
    """Exactly one source, and that source's rules."""
    found = ""
    for field, (shown, errors) in VOLUME_SOURCES.items():
        source = spec.get(field)
        if source is None:
            continue
        if found and field != "flexVolume":  # upstream does not count it, either
            yield field_forbidden(f"{path}.{'cephFS' if field == 'cephfs' else field}", ONE_TYPE)
            continue
        found = field
        yield from errors(source, f"{path}.{shown}")
        if field == "iscsi":
            yield from iscsi_name_errors(source, name, f"{path}.{shown}")
        if field == "local" and spec.get("nodeAffinity") is None:
            yield required(f"{path}.nodeAffinity", "Local volume requires node affinity")
    if not found:
        yield required(path, "must specify a volume type")
    host_path = (spec.get("hostPath") or {}).get("path")
    if host_path and posixpath.normpath(host_path) == "/" and spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        detail = "may not be 'recycle' for a hostPath mount of '/'"
        yield field_forbidden(f"{path}.persistentVolumeReclaimPolicy", detail)


def _class_errors(name: str, path: str, inline: bool) -> Iterator[FieldError]:
    if name and inline:
        yield field_forbidden(path, f"may not be specified {INLINE}")
    elif name:
        for message in formats.dns1123_subdomain(name):
            yield invalid(path, name, message)


def _mode_errors(mode: str | None, path: str, inline: bool) -> Iterator[FieldError]:
    if mode is None:
        return
    if inline and mode != "Filesystem":
        yield field_forbidden(path, f"may not specify volumeMode other than Filesystem {INLINE}")
    elif not inline and mode not in VOLUME_MODES:
        yield not_supported(path, mode, VOLUME_MODES)


def _attributes_class_errors(spec: Object, path: str) -> Iterator[FieldError]:
    name, here = spec["volumeAttributesClassName"], f"{path}.volumeAttributesClassName"
    if not name:
        yield required(here, "an empty string is disallowed")
    for message in formats.dns1123_subdomain(name) if name else ():
        yield invalid(here, name, message)
    if spec.get("csi") is None:
        yield required(f"{path}.csi", "has to be specified when using volumeAttributesClassName")
