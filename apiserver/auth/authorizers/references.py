"""What pods and volumes refer to: the objects a node has to read in order to run them.

Mirrors upstream pkg/api/v1/pod/util.go, pkg/api/v1/persistentvolume/util.go and plugin/…/authorizer/node/graph.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apiserver.apimachinery.objects import Object, annotations_of, get, name_of, namespace_of

# (type, namespace, name); types as messages of upstream write them
Vertex = tuple[str, str, str]
SECRET, CONFIG_MAP, CLAIM, VOLUME, SERVICE_ACCOUNT = "secret", "configmap", "pvc", "pv", "serviceAccount"
POD, RESOURCE_CLAIM, ATTACHMENT, SLICE, POD_CERTIFICATE = (
    "pod",
    "resourceclaim",
    "volumeattachment",
    "resourceslice",
    "podcertificaterequest",
)

MIRROR_POD = "kubernetes.io/config.mirror"
_POD_SECRET_REFS = ("cephfs", "cinder", "flexVolume", "rbd", "scaleIO", "iscsi", "storageos")
_VOLUME_SECRET_REFS = ("cephfs", "flexVolume", "rbd", "scaleIO", "iscsi")  # their namespace defaults to the claim's


def pod_references(pod: Object) -> set[Vertex]:
    """The pod itself and what it names. A mirror pod names nothing: a node must not give itself rights by making one."""
    namespace, spec = namespace_of(pod), pod.get("spec") or {}
    found: set[Vertex] = {(POD, namespace, name_of(pod))}
    if MIRROR_POD in annotations_of(pod):
        return found
    found |= {(SERVICE_ACCOUNT, namespace, n) for n in (spec.get("serviceAccountName"),) if n}
    found |= {(SECRET, namespace, n) for n in _pod_secrets(spec) if n}
    found |= {(CONFIG_MAP, namespace, n) for n in _pod_config_maps(spec) if n}
    found |= {(CLAIM, namespace, n) for n in _pod_claims(pod, spec) if n}
    found |= {(RESOURCE_CLAIM, namespace, n) for n in _resource_claims(pod, spec) if n}
    return found


def _containers(spec: Object) -> Iterator[Object]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(field) or ()


def _from_environment(spec: Object, whole: str, key: str) -> Iterator[str]:
    for container in _containers(spec):
        for source in container.get("envFrom") or ():
            yield get(source, whole, "name", default="")
        for variable in container.get("env") or ():
            yield get(variable, "valueFrom", key, "name", default="")


def _projected(volume: Object, kind: str) -> Iterator[str]:
    for source in get(volume, "projected", "sources", default=()):
        yield get(source, kind, "name", default="")


def _pod_secrets(spec: Object) -> Iterator[str]:
    for reference in spec.get("imagePullSecrets") or ():
        yield reference.get("name") or ""
    yield from _from_environment(spec, "secretRef", "secretKeyRef")
    for volume in spec.get("volumes") or ():
        yield get(volume, "secret", "secretName", default="")
        yield get(volume, "azureFile", "secretName", default="")
        yield get(volume, "csi", "nodePublishSecretRef", "name", default="")
        for kind in _POD_SECRET_REFS:
            yield get(volume, kind, "secretRef", "name", default="")
        yield from _projected(volume, "secret")


def _pod_config_maps(spec: Object) -> Iterator[str]:
    yield from _from_environment(spec, "configMapRef", "configMapKeyRef")
    for volume in spec.get("volumes") or ():
        yield get(volume, "configMap", "name", default="")
        yield from _projected(volume, "configMap")


def _pod_claims(pod: Object, spec: Object) -> Iterator[str]:
    for volume in spec.get("volumes") or ():
        if "persistentVolumeClaim" in volume:
            yield get(volume, "persistentVolumeClaim", "claimName", default="")
        elif "ephemeral" in volume:
            yield f"{name_of(pod)}-{volume.get('name')}"


def _resource_claims(pod: Object, spec: Object) -> Iterator[str]:
    made = {s.get("name"): s for s in get(pod, "status", "resourceClaimStatuses", default=())}
    for claim in spec.get("resourceClaims") or ():
        yield claim.get("resourceClaimName") or get(made.get(claim.get("name")), "resourceClaimName", default="")
    yield get(pod, "status", "extendedResourceClaimStatus", "resourceClaimName", default="")


def volume_claim(volume: Object) -> Vertex | None:
    """The claim a PersistentVolume is bound to."""
    ref = get(volume, "spec", "claimRef")
    return None if ref is None else (CLAIM, ref.get("namespace") or "", ref.get("name") or "")


def volume_secrets(volume: Object) -> Iterable[Vertex]:
    """The secrets of a bound PersistentVolume that a kubelet reads."""
    spec = volume.get("spec") or {}
    claim_namespace = get(spec, "claimRef", "namespace", default="")
    if azure := spec.get("azureFile"):
        yield SECRET, azure.get("secretNamespace") or claim_namespace, azure.get("secretName") or ""
    for kind in _VOLUME_SECRET_REFS:
        if ref := get(spec, kind, "secretRef"):
            yield SECRET, ref.get("namespace") or claim_namespace, ref.get("name") or ""
    for kind in ("cinder", "storageos"):
        if ref := get(spec, kind, "secretRef"):
            yield SECRET, ref.get("namespace") or "", ref.get("name") or ""
    for field in ("nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef"):
        if ref := get(spec, "csi", field):
            yield SECRET, ref.get("namespace") or "", ref.get("name") or ""
