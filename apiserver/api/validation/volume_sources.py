"""The sources of PersistentVolumes: where they differ from a pod's, they name secrets with their namespace.

Mirrors upstream pkg/apis/core/validation validate…PersistentVolumeSource.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from apiserver.api.validation.pod.names import label_errors, subdomain_errors
from apiserver.api.validation.pod.old_volumes import (
    azure_disk_errors,
    disk_errors,
    fc_errors,
    flex_errors,
    flocker_errors,
    initiator_format,
    needs,
    quobyte_errors,
)
from apiserver.api.validation.pod.options import PodOptions
from apiserver.api.validation.pod.paths import backsteps_errors
from apiserver.api.validation.pod.volumes import MAX_ISCSI_NAME, csi_driver_name_errors, host_path_errors, nfs_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, invalid, required
from apiserver.apimachinery.objects import Object

SECRETS = ("controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef")

SourceErrors = Callable[[Object, str], Iterator[FieldError]]
_OPTIONS = PodOptions()


def _as_in_pods(errors: Callable[[Object, str, PodOptions], Iterator[FieldError]]) -> SourceErrors:
    return lambda source, path: errors(source, path, _OPTIONS)


def _secret_errors(reference: Object | None, path: str, *fields: str) -> Iterator[FieldError]:
    """A reference that has to name `fields`."""
    for field in fields if reference is not None else ():
        if not (reference or {}).get(field):
            yield required(f"{path}.{field}")


def _csi_secret_errors(reference: Object, path: str) -> Iterator[FieldError]:
    for field, rule in (("name", subdomain_errors), ("namespace", label_errors)):
        if not reference.get(field):
            yield required(f"{path}.{field}")
        else:
            yield from rule(reference[field], f"{path}.{field}")


def _csi_errors(source: Object, path: str) -> Iterator[FieldError]:
    yield from csi_driver_name_errors(source.get("driver") or "", f"{path}.driver")
    if not source.get("volumeHandle"):
        yield required(f"{path}.volumeHandle")
    for field in SECRETS:
        if source.get(field) is not None:
            yield from _csi_secret_errors(source[field], f"{path}.{field}")


def _local_errors(source: Object, path: str) -> Iterator[FieldError]:
    if not source.get("path"):
        yield required(f"{path}.path")
    else:
        yield from backsteps_errors(source["path"], f"{path}.path")


def _glusterfs_errors(source: Object, path: str) -> Iterator[FieldError]:
    yield from needs("endpoints", "path")(source, path, _OPTIONS)
    namespace = source.get("endpointsNamespace")
    if namespace == "":
        detail = "if the endpointnamespace is set, it must be a valid namespace name"
        yield invalid(f"{path}.endpointsNamespace", namespace, detail)
    elif namespace is not None:
        yield from label_errors(namespace, f"{path}.endpointsNamespace")


def _azure_file_errors(source: Object, path: str) -> Iterator[FieldError]:
    yield from needs("secretName", "shareName")(source, path, _OPTIONS)
    if source.get("secretNamespace") == "":
        yield required(f"{path}.secretNamespace")


def _cinder_errors(source: Object, path: str) -> Iterator[FieldError]:
    yield from needs("volumeID")(source, path, _OPTIONS)
    yield from _secret_errors(source.get("secretRef"), f"{path}.secretRef", "name", "namespace")


def _storageos_errors(source: Object, path: str) -> Iterator[FieldError]:
    if not source.get("volumeName"):
        yield required(f"{path}.volumeName")
    else:
        yield from label_errors(source["volumeName"], f"{path}.volumeName")
    if source.get("volumeNamespace"):
        yield from label_errors(source["volumeNamespace"], f"{path}.volumeNamespace")
    yield from _secret_errors(source.get("secretRef"), f"{path}.secretRef", "name", "namespace")


def _iscsi_errors(source: Object, path: str) -> Iterator[FieldError]:
    if not source.get("targetPortal"):
        yield required(f"{path}.targetPortal")
    iqn, lun = source.get("iqn") or "", source.get("lun") or 0
    if not iqn:
        yield required(f"{path}.iqn")
    elif not initiator_format(iqn):
        yield invalid(f"{path}.iqn", iqn, "must be valid format")
    if not 0 <= lun <= 255:
        yield invalid(f"{path}.lun", lun, formats.range_error(0, 255))
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and source.get("secretRef") is None:
        yield required(f"{path}.secretRef")
    yield from _secret_errors(source.get("secretRef"), f"{path}.secretRef", "name")
    initiator = source.get("initiatorName")
    if initiator is not None and not initiator_format(initiator):
        yield invalid(f"{path}.initiatorname", initiator, "must be valid format")


def iscsi_name_errors(source: Object, volume: str, path: str) -> Iterator[FieldError]:
    portal = source.get("targetPortal") or ""
    if source.get("initiatorName") is not None and formats.byte_length(f"{volume}:{portal}") > MAX_ISCSI_NAME:
        detail = (
            "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is "
            "specified."
        )
        yield invalid(f"{path}.targetportal", portal, detail)


def _needs(*fields: str) -> SourceErrors:
    return _as_in_pods(needs(*fields))


# Field of the spec → what its errors call it, and its rules; in upstream's order.
VOLUME_SOURCES: dict[str, tuple[str, SourceErrors]] = {
    "hostPath": ("hostPath", _as_in_pods(host_path_errors)),
    "gcePersistentDisk": ("persistentDisk", _as_in_pods(disk_errors("pdName"))),
    "awsElasticBlockStore": ("awsElasticBlockStore", _as_in_pods(disk_errors("volumeID"))),
    "glusterfs": ("glusterfs", _glusterfs_errors),
    "flocker": ("flocker", _as_in_pods(flocker_errors)),
    "nfs": ("nfs", _as_in_pods(nfs_errors)),
    "rbd": ("rbd", _needs("monitors", "image")),
    "quobyte": ("quobyte", _as_in_pods(quobyte_errors)),
    "cephfs": ("cephfs", _needs("monitors")),
    "iscsi": ("iscsi", _iscsi_errors),
    "cinder": ("cinder", _cinder_errors),
    "fc": ("fc", _as_in_pods(fc_errors)),
    "flexVolume": ("flexVolume", _as_in_pods(flex_errors)),
    "azureFile": ("azureFile", _azure_file_errors),
    "vsphereVolume": ("vsphereVolume", _needs("volumePath")),
    "photonPersistentDisk": ("photonPersistentDisk", _needs("pdID")),
    "portworxVolume": ("portworxVolume", _needs("volumeID")),
    "azureDisk": ("azureDisk", _as_in_pods(azure_disk_errors)),
    "scaleIO": ("scaleIO", _needs("gateway", "system", "volumeName")),
    "local": ("local", _local_errors),
    "storageos": ("storageos", _storageos_errors),
    "csi": ("csi", _csi_errors),
}


def source_of(spec: Object) -> dict[str, Any]:
    """The sources a spec names, by field."""
    return {field: spec[field] for field in VOLUME_SOURCES if spec.get(field) is not None}
