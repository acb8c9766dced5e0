"""Volumes of a pod: exactly one source each, and that source's rules (upstream ValidateVolumes)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from apiserver.api.validation.pod.names import label_errors
from apiserver.api.validation.pod.old_volumes import (
    azure_disk_errors,
    azure_file_errors,
    ceph_errors,
    cinder_errors,
    disk_errors,
    fc_errors,
    flex_errors,
    flocker_errors,
    git_repo_errors,
    glusterfs_errors,
    iscsi_errors,
    needs,
    quobyte_errors,
    rbd_errors,
    storageos_errors,
)
from apiserver.api.validation.pod.options import PodOptions
from apiserver.api.validation.pod.paths import backsteps_errors
from apiserver.api.validation.pod.projected import (
    config_map_errors,
    downward_errors,
    projected_errors,
    secret_errors,
)
from apiserver.api.validation.volume_claims import claim_template_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import (
    FieldError,
    duplicate,
    field_forbidden,
    go_value,
    invalid,
    not_supported,
    required,
    too_long,
)
from apiserver.apimachinery.objects import Object, name_of
from apiserver.apimachinery.quantity import parse

EMPTY_DIR_MODE_WRONG = "must be a number between 0 and 01777 (octal), both inclusive"
HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
MAX_ISCSI_NAME = 64
ONE_TYPE = "may not specify more than 1 volume type"

SourceErrors = Callable[[Object, str, PodOptions], Iterator[FieldError]]


def volumes_errors(
    volumes: list[Object], pod: Object | None, path: str, options: PodOptions, found: dict[str, Object]
) -> Iterator[FieldError]:
    """Fills `found` with the valid volumes by name. `pod` is the whole pod where there is one: claims are named after it."""
    pod_name = name_of(pod) if pod is not None else ""
    created = (
        {f"{pod_name}-{v.get('name') or ''}" for v in volumes if v.get("ephemeral") is not None} if pod_name else set()
    )
    for i, volume in enumerate(volumes):
        here, name = f"{path}[{i}]", volume.get("name") or ""
        errors = list(_volume_errors(volume, here, name, pod_name, options))
        if name in found:
            errors.append(duplicate(f"{here}.name", name))
        if errors:
            yield from errors
        else:
            found[name] = volume
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim in created:
            message = "must not reference a PVC that gets created for an ephemeral volume"
            yield invalid(f"{here}.persistentVolumeClaim.claimName", claim, message)


def _volume_errors(volume: Object, path: str, name: str, pod_name: str, options: PodOptions) -> Iterator[FieldError]:
    yield from _source_errors(volume, path, name, pod_name, options)
    if not name:
        yield required(f"{path}.name")
    else:
        yield from label_errors(name, f"{path}.name")


def _source_errors(volume: Object, path: str, name: str, pod_name: str, options: PodOptions) -> Iterator[FieldError]:
    count = 0
    for field, shown_twice, shown, check in SOURCES:
        source = volume.get(field)
        if source is None:
            continue
        if count:
            yield field_forbidden(f"{path}.{shown_twice}", ONE_TYPE)
        else:
            yield from check(source, f"{path}.{shown}", options)
            if field == "ephemeral":
                yield from _claim_name_errors(name, pod_name, path)
        count += 1 if not count else 0
        if field == "iscsi" and source.get("initiatorName") is not None:
            yield from _iscsi_name_errors(name, source, path)
    if not count:
        yield required(path, "must specify a volume type")


def _iscsi_name_errors(name: str, source: Object, path: str) -> Iterator[FieldError]:
    if formats.byte_length(f"{name}:{source.get('targetPortal') or ''}") > MAX_ISCSI_NAME:
        message = (
            "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is "
            "specified."
        )
        yield invalid(f"{path}.name", name, message)


def _claim_name_errors(name: str, pod_name: str, path: str) -> Iterator[FieldError]:
    """The claim of an ephemeral volume is called <pod>-<volume>."""
    if not pod_name or not name:
        return
    claim = f"{pod_name}-{name}"
    for message in formats.dns1123_subdomain(claim):
        yield invalid(f"{path}.name", name, f"PVC name {go_value(claim)}: {message}")


def _empty_dir_errors(source: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    limit, mode = source.get("sizeLimit"), source.get("mode")
    if limit is not None and parse(limit).unscaled < 0:
        yield field_forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")
    if mode is not None and not 0 <= mode <= 0o1777:
        yield invalid(f"{path}.mode", mode, EMPTY_DIR_MODE_WRONG)


def host_path_errors(source: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    if not source.get("path"):
        yield required(f"{path}.path")
        return
    yield from backsteps_errors(source["path"], f"{path}.path")
    kind = source.get("type")
    if kind is not None and kind not in HOST_PATH_TYPES:
        yield not_supported(f"{path}.type", kind, HOST_PATH_TYPES)


def nfs_errors(source: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    if not source.get("server"):
        yield required(f"{path}.server")
    if not source.get("path"):
        yield required(f"{path}.path")
    if not (source.get("path") or "").startswith("/"):
        yield invalid(f"{path}.path", source.get("path") or "", "must be an absolute path")


def csi_driver_name_errors(name: str, path: str) -> Iterator[FieldError]:
    if not name:
        yield required(path)
        return
    if formats.byte_length(name) > formats.LABEL_MAX:
        yield too_long(path, formats.LABEL_MAX)
    for message in formats.dns1123_subdomain(name.lower()):
        yield invalid(path, name, message)


def _csi_errors(source: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    yield from csi_driver_name_errors(source.get("driver") or "", f"{path}.driver")
    secret = source.get("nodePublishSecretRef")
    if secret is not None and not secret.get("name"):
        yield required(f"{path}.nodePublishSecretRef.name")
    elif secret is not None:
        for message in formats.dns1123_subdomain(secret["name"]):
            yield invalid(f"{path}.name", secret["name"], message)


def _ephemeral_errors(source: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    template = source.get("volumeClaimTemplate")
    if template is None:
        yield required(f"{path}.volumeClaimTemplate")
    else:
        yield from claim_template_errors(template, f"{path}.volumeClaimTemplate")


def pull_policy_errors(policy: str, path: str) -> Iterator[FieldError]:
    if not policy:
        yield required(path)
    elif policy not in PULL_POLICIES:
        yield not_supported(path, policy, PULL_POLICIES)


def _image_errors(source: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    if not source.get("reference") and not options.any_image_reference:
        yield required(f"{path}.reference")
    yield from pull_policy_errors(source.get("pullPolicy") or "", f"{path}.pullPolicy")


# (field, its name where it is one too many, its name in its own errors, its rules), in upstream's order.
SOURCES: tuple[tuple[str, str, str, SourceErrors], ...] = (
    ("emptyDir", "emptyDir", "emptyDir", _empty_dir_errors),
    ("hostPath", "hostPath", "hostPath", host_path_errors),
    ("gitRepo", "gitRepo", "gitRepo", git_repo_errors),
    ("gcePersistentDisk", "gcePersistentDisk", "persistentDisk", disk_errors("pdName")),
    ("awsElasticBlockStore", "awsElasticBlockStore", "awsElasticBlockStore", disk_errors("volumeID")),
    ("secret", "secret", "secret", secret_errors),
    ("nfs", "nfs", "nfs", nfs_errors),
    ("iscsi", "iscsi", "iscsi", iscsi_errors),
    ("glusterfs", "glusterfs", "glusterfs", glusterfs_errors),
    ("flocker", "flocker", "flocker", flocker_errors),
    ("persistentVolumeClaim", "persistentVolumeClaim", "persistentVolumeClaim", needs("claimName")),
    ("rbd", "rbd", "rbd", rbd_errors),
    ("cinder", "cinder", "cinder", cinder_errors),
    ("cephfs", "cephFS", "cephfs", ceph_errors),
    ("quobyte", "quobyte", "quobyte", quobyte_errors),
    ("downwardAPI", "downwarAPI", "downwardAPI", downward_errors),
    ("fc", "fc", "fc", fc_errors),
    ("flexVolume", "flexVolume", "flexVolume", flex_errors),
    ("configMap", "configMap", "configMap", config_map_errors),
    ("azureFile", "azureFile", "azureFile", azure_file_errors),
    ("vsphereVolume", "vsphereVolume", "vsphereVolume", needs("volumePath")),
    ("photonPersistentDisk", "photonPersistentDisk", "photonPersistentDisk", needs("pdID")),
    ("portworxVolume", "portworxVolume", "portworxVolume", needs("volumeID")),
    ("azureDisk", "azureDisk", "azureDisk", azure_disk_errors),
    ("storageos", "storageos", "storageos", storageos_errors),
    ("projected", "projected", "projected", projected_errors),
    ("scaleIO", "scaleIO", "scaleIO", needs("gateway", "system", "volumeName")),
    ("csi", "csi", "csi", _csi_errors),
    ("ephemeral", "ephemeral", "ephemeral", _ephemeral_errors),
    ("image", "image", "image", _image_errors),
)
