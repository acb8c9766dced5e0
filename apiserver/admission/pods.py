"""What admission asks of a pod: its containers, what it refers to, its quality of service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apiserver.apimachinery import quantity
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object

PODS = GroupResource("", "pods")
MIRROR_ANNOTATION = "kubernetes.io/config.mirror"

BEST_EFFORT, BURSTABLE, GUARANTEED = "BestEffort", "Burstable", "Guaranteed"

_SECRET_REFS = ("cephfs", "cinder", "flexVolume", "rbd", "scaleIO", "iscsi", "storageos")


def spec_of(pod: Object) -> dict[str, Any]:
    spec: dict[str, Any] | None = pod.get("spec")
    if spec is None:
        spec = pod["spec"] = {}
    return spec


def is_mirror(pod: Object) -> bool:
    return MIRROR_ANNOTATION in ((pod.get("metadata") or {}).get("annotations") or {})


def containers(pod: Object) -> list[dict[str, Any]]:
    """All of them: init, usual, ephemeral."""
    spec = spec_of(pod)
    return [
        container
        for field in ("initContainers", "containers", "ephemeralContainers")
        for container in spec.get(field) or ()
    ]


def volumes(pod: Object) -> list[dict[str, Any]]:
    return spec_of(pod).get("volumes") or []


def projections(pod: Object) -> Iterator[dict[str, Any]]:
    """The sources of projected volumes."""
    for volume in volumes(pod):
        yield from (volume.get("projected") or {}).get("sources") or ()


def secret_names(pod: Object) -> Iterator[str]:
    """The names of secrets a pod refers to (upstream VisitPodSecretNames)."""
    for name in _all_secret_names(pod):
        if name:
            yield name


def _all_secret_names(pod: Object) -> Iterator[str | None]:
    for reference in spec_of(pod).get("imagePullSecrets") or ():
        yield reference.get("name")
    yield from _env_names(pod, "secretRef", "secretKeyRef")
    for volume in volumes(pod):
        yield (volume.get("azureFile") or {}).get("secretName")
        yield (volume.get("secret") or {}).get("secretName")
        yield ((volume.get("csi") or {}).get("nodePublishSecretRef") or {}).get("name")
        for kind in _SECRET_REFS:
            yield ((volume.get(kind) or {}).get("secretRef") or {}).get("name")
    for source in projections(pod):
        yield (source.get("secret") or {}).get("name")


def config_map_names(pod: Object) -> Iterator[str]:
    """The names of config maps a pod refers to (upstream VisitPodConfigmapNames)."""
    names = list(_env_names(pod, "configMapRef", "configMapKeyRef"))
    names += [(volume.get("configMap") or {}).get("name") for volume in volumes(pod)]
    names += [(source.get("configMap") or {}).get("name") for source in projections(pod)]
    for name in names:
        if name:
            yield name


def _env_names(pod: Object, whole: str, key: str) -> Iterator[str | None]:
    for container in containers(pod):
        for source in container.get("envFrom") or ():
            yield (source.get(whole) or {}).get("name")
        for variable in container.get("env") or ():
            yield ((variable.get("valueFrom") or {}).get(key) or {}).get("name")


def qos(pod: Object) -> str:
    """The quality-of-service class (upstream apis/core/helper/qos)."""
    known = (pod.get("status") or {}).get("qosClass")
    if known:
        return str(known)
    spec = spec_of(pod)
    if spec.get("resources") and _names_cpu_or_memory(spec["resources"]):
        return _qos_of(spec["resources"])
    classes = {
        _qos_of(container.get("resources") or {})
        for field in ("initContainers", "containers")
        for container in spec.get(field) or ()
    }
    if not classes:
        return BEST_EFFORT
    return classes.pop() if len(classes) == 1 else BURSTABLE


def _names_cpu_or_memory(resources: dict[str, Any]) -> bool:
    named = {*(resources.get("requests") or {}), *(resources.get("limits") or {})}
    return "cpu" in named or "memory" in named or any(name.startswith("hugepages-") for name in named)


def _qos_of(resources: dict[str, Any]) -> str:
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    classes = {_qos_of_one(_amount(requests, name), _amount(limits, name)) for name in ("cpu", "memory")}
    return classes.pop() if len(classes) == 1 else BURSTABLE


def _qos_of_one(request: quantity.Quantity, limit: quantity.Quantity) -> str:
    if request != limit:
        return BURSTABLE
    return GUARANTEED if request else BEST_EFFORT


def _amount(amounts: dict[str, Any], name: str) -> quantity.Quantity:
    return quantity.parse(str(amounts[name])) if name in amounts else quantity.of(0)
