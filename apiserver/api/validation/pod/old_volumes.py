"""Volume sources of single storage systems, most of them out of use; the API still checks them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from apiserver.api.validation.pod.names import label_errors
from apiserver.api.validation.pod.options import PodOptions
from apiserver.api.validation.pod.paths import descending_path_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, invalid, not_supported, required
from apiserver.apimachinery.objects import Object

SourceErrors = Callable[[Object, str, PodOptions], Iterator[FieldError]]

_IQN = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([0-9A-Za-z\-.]+)(:[^,;*&$|\s]+)\Z", re.ASCII).search,
    "eui": re.compile(r"\Aeui.[0-9A-Za-z]{16}\Z").search,
    "naa": re.compile(r"\Anaa.[0-9A-Za-z]{32}\Z").search,
}
CACHING_MODES = ("None", "ReadOnly", "ReadWrite")
DISK_KINDS = ("Dedicated", "Managed", "Shared")
MANAGED_URI = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
BLOB_URI = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
REGISTRY = "must be a host:port pair or multiple pairs separated by commas"


def needs(*fields: str) -> SourceErrors:
    """A source that only has to name something."""

    def errors(source: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
        for field in fields:
            if not source.get(field):
                yield required(f"{path}.{field}")

    return errors


glusterfs_errors = needs("endpoints", "path")
rbd_errors = needs("monitors", "image")
ceph_errors = needs("monitors")
azure_file_errors = needs("secretName", "shareName")


def disk_errors(name_field: str) -> SourceErrors:
    def errors(source: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
        if not source.get(name_field):
            yield required(f"{path}.{name_field}")
        partition = source.get("partition") or 0
        if not 0 <= partition <= 255:
            yield invalid(f"{path}.partition", partition, formats.range_error(1, 255))

    return errors


def git_repo_errors(source: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    if not source.get("repository"):
        yield required(f"{path}.repository")
    yield from descending_path_errors(source.get("directory") or "", f"{path}.directory")


def iscsi_errors(source: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    if not source.get("targetPortal"):
        yield required(f"{path}.targetPortal")
    iqn = source.get("iqn") or ""
    if not iqn:
        yield required(f"{path}.iqn")
    else:
        yield from _iqn_errors(iqn, f"{path}.iqn")
    lun = source.get("lun") or 0
    if not 0 <= lun <= 255:
        yield invalid(f"{path}.lun", lun, formats.range_error(0, 255))
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and source.get("secretRef") is None:
        yield required(f"{path}.secretRef")
    if source.get("initiatorName") is not None:
        yield from _iqn_errors(source["initiatorName"], f"{path}.initiatorname")


def _iqn_errors(name: str, path: str) -> Iterator[FieldError]:
    match = _IQN.get(name[:3])
    if match is None:
        yield invalid(path, name, "must be valid format starting with iqn, eui, or naa")
    elif not match(name):
        yield invalid(path, name, "must be valid format")


def initiator_format(name: str) -> bool:
    """Whether it is an iqn, eui or naa name of the right form."""
    match = _IQN.get(name[:3])
    return match is not None and match(name) is not None


def fc_errors(source: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    names, ids, lun = source.get("targetWWNs") or [], source.get("wwids") or [], source.get("lun")
    if not names and not ids:
        yield required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both")
    if names and ids:
        yield invalid(f"{path}.targetWWNs", names, "targetWWNs and wwids can not be specified simultaneously")
    if names and lun is None:
        yield required(f"{path}.lun", "lun is required if targetWWNs is specified")
    elif names and lun is not None and not 0 <= lun <= 255:
        yield invalid(f"{path}.lun", lun, formats.range_error(0, 255))


def cinder_errors(source: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    if not source.get("volumeID"):
        yield required(f"{path}.volumeID")
    if source.get("secretRef") is not None and not source["secretRef"].get("name"):
        yield required(f"{path}.secretRef.name")


def flocker_errors(source: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    name, uuid = source.get("datasetName") or "", source.get("datasetUUID") or ""
    if not name and not uuid:
        yield required(path, "one of datasetName and datasetUUID is required")
    if name and uuid:
        yield invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in name:
        yield invalid(f"{path}.datasetName", name, "must not contain '/'")


def quobyte_errors(source: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    registry = source.get("registry") or ""
    if not registry:
        yield required(f"{path}.registry", REGISTRY)
    elif formats.byte_length(source.get("tenant") or "") >= 65:
        yield required(f"{path}.tenant", "must be a UUID and may not exceed a length of 64 characters")
    else:
        for pair in registry.split(","):
            if not _is_host_port(pair):
                yield invalid(f"{path}.registry", registry, REGISTRY)
    if not source.get("volume"):
        yield required(f"{path}.volume")


def _is_host_port(text: str) -> bool:
    """As Go's net.SplitHostPort."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        return bool(bracket) and rest.startswith(":") and ":" not in rest[1:] and not set(host + rest) & set("[]")
    return text.count(":") == 1 and not set(text) & set("[]")


def flex_errors(source: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    if not source.get("driver"):
        yield required(f"{path}.driver")
    for key in source.get("options") or ():
        namespace = "." + key.partition("/")[0].lower()
        if namespace.endswith((".kubernetes.io", ".k8s.io")):
            yield invalid(f"{path}.options[{key}]", key, "kubernetes.io and k8s.io namespaces are reserved")


def azure_disk_errors(source: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    yield from needs("diskName", "diskURI")(source, path, options)
    caching, kind, uri = source.get("cachingMode"), source.get("kind"), source.get("diskURI") or ""
    if caching is not None and caching not in CACHING_MODES:
        yield not_supported(f"{path}.cachingMode", caching, CACHING_MODES)
    if kind is not None and kind not in DISK_KINDS:
        yield not_supported(f"{path}.kind", kind, DISK_KINDS)
    if kind == "Managed" and not uri.startswith("/subscriptions/"):
        yield not_supported(f"{path}.diskURI", uri, (MANAGED_URI,))
    if kind is not None and kind != "Managed" and not uri.startswith("https://"):
        yield not_supported(f"{path}.diskURI", uri, (BLOB_URI,))


def storageos_errors(source: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    if not source.get("volumeName"):
        yield required(f"{path}.volumeName")
    else:
        yield from label_errors(source["volumeName"], f"{path}.volumeName")
    if source.get("volumeNamespace"):
        yield from label_errors(source["volumeNamespace"], f"{path}.volumeNamespace")
    if source.get("secretRef") is not None and not source["secretRef"].get("name"):
        yield required(f"{path}.secretRef.name")
