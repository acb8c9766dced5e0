"""Fields of features that are off in this version: dropped, unless the stored object uses them already.

Mirrors upstream pkg/api/pod/util.go (dropDisabledFields) for the feature gates at their defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from apiserver.api.podspec.containers import all_containers, sub
from apiserver.apimachinery.objects import Object

LEGACY_ANNOTATIONS = (
    "pod.beta.kubernetes.io/init-containers",
    "pod.alpha.kubernetes.io/init-containers",
    "pod.beta.kubernetes.io/init-container-statuses",
    "pod.alpha.kubernetes.io/init-container-statuses",
)
_WITH_ITEMS = ("secret", "configMap", "downwardAPI")
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")

# A feature: yields (holder, field) for every place where its field may stand.
Places = Callable[[Object], Iterator[tuple[Object, str]]]


def _user_fields(spec: Object) -> Iterator[tuple[Object, str]]:
    """AtomicWriteVolumeUserFields; of what stands beside another source, upstream sees the first of these kinds only."""
    for volume in spec.get("volumes") or ():
        kind = _first(volume, (*_WITH_ITEMS, "projected"))
        source = volume.get(kind) or {}
        yield source, "defaultUser"
        for item in source.get("items") or ():
            yield item, "user"
        for part in sub(volume, "projected").get("sources") or () if kind == "projected" else ():
            yield from _user_fields_of_part(part)


def _user_fields_of_part(part: Object) -> Iterator[tuple[Object, str]]:
    kind = _first(part, (*_WITH_ITEMS, "serviceAccountToken", "clusterTrustBundle", "podCertificate"))
    source = part.get(kind) or {}
    if kind not in _WITH_ITEMS:
        yield source, "user"
    for item in source.get("items") or ():
        yield item, "user"


def _first(obj: Object, fields: Iterable[str]) -> str:
    return next((field for field in fields if obj.get(field) is not None), "")


def _scheduling_group(spec: Object) -> Iterator[tuple[Object, str]]:
    """GenericWorkload."""
    yield spec, "schedulingGroup"


def _grpc_mode(spec: Object) -> Iterator[tuple[Object, str]]:
    """GRPCContainerProbeTLS."""
    for container in all_containers(spec):
        for probe in PROBES:
            grpc = sub(container, probe).get("grpc")
            if grpc is not None:
                yield grpc, "mode"


def _eviction_responders(spec: Object) -> Iterator[tuple[Object, str]]:
    """EvictionRequestAPI."""
    yield spec, "evictionResponders"


def _empty_dir_mode(spec: Object) -> Iterator[tuple[Object, str]]:
    """EmptyDirVolumeMode."""
    for volume in spec.get("volumes") or ():
        if volume.get("emptyDir") is not None:
            yield volume["emptyDir"], "mode"


def _bind_mount_options(spec: Object) -> Iterator[tuple[Object, str]]:
    """VolumeBindMountOptions."""
    for container in all_containers(spec):
        for mount in container.get("volumeMounts") or ():
            yield mount, "bindMountOptions"


def _http_protocol(spec: Object) -> Iterator[tuple[Object, str]]:
    """H2CContainerProbe."""
    for container in all_containers(spec):
        handlers = [sub(container, probe) for probe in PROBES]
        handlers += [sub(container, "lifecycle", hook) for hook in ("postStart", "preStop")]
        for handler in handlers:
            if handler.get("httpGet") is not None:
                yield handler["httpGet"], "protocol"


def _stop_signal(spec: Object) -> Iterator[tuple[Object, str]]:
    """ContainerStopSignals."""
    for container in all_containers(spec):
        if container.get("lifecycle") is not None:
            yield container["lifecycle"], "stopSignal"


SPEC_FEATURES: tuple[Places, ...] = (
    _user_fields,
    _scheduling_group,
    _grpc_mode,
    _eviction_responders,
    _empty_dir_mode,
    _bind_mount_options,
    _http_protocol,
    _stop_signal,
)


def _allocatable_claims(status: Object) -> Iterator[tuple[Object, str]]:
    """DRANodeAllocatableResources."""
    yield status, "nodeAllocatableResourceClaimStatuses"


def _volume_health(status: Object) -> Iterator[tuple[Object, str]]:
    """CSIVolumeHealth."""
    yield status, "volumeHealth"


def _volume_digests(status: Object) -> Iterator[tuple[Object, str]]:
    """ImageVolumeWithDigest."""
    for field in STATUSES:
        for container in status.get(field) or ():
            for mount in container.get("volumeMounts") or ():
                yield mount, "volumeStatus"


STATUS_FEATURES: tuple[Places, ...] = (_allocatable_claims, _volume_health, _volume_digests)


def _in_use(places: Places, obj: Object | None) -> bool:
    return obj is not None and any(_set(holder.get(field)) for holder, field in places(obj))


def _set(value: Any) -> bool:
    return value is not None and value != [] and value != {}


def _drop(features: tuple[Places, ...], obj: Object, old: Object | None) -> None:
    for places in features:
        used = [(holder, field) for holder, field in places(obj) if field in holder]
        if used and not _in_use(places, old):
            for holder, field in used:
                del holder[field]


def drop_disabled_spec_fields(spec: Object, annotations: Object | None, old_spec: Object | None) -> None:
    """For everything with a PodSpec in it, on create (no old spec) and on update."""
    signals = [c for c in all_containers(spec) if (c.get("lifecycle") or {}).get("stopSignal") is not None]
    _drop(SPEC_FEATURES, spec, old_spec)
    for container in signals:
        if not container["lifecycle"]:
            del container["lifecycle"]
    for key in LEGACY_ANNOTATIONS:
        if annotations and key in annotations:
            del annotations[key]


def drop_disabled_status_fields(status: Object, old_status: Object | None) -> None:
    _drop(STATUS_FEATURES, status, old_status)
