"""Mirror pods show what a kubelet runs from its own files: they may not refer to anything in the API."""

from __future__ import annotations

from typing import Any

from apiserver.admission.interface import Attributes
from apiserver.admission.pods import config_map_names, secret_names, spec_of, volumes
from apiserver.admission.refusals import forbidden
from apiserver.apimachinery.objects import Object

_HARMLESS = frozenset(
    {
        "awsElasticBlockStore",
        "azureDisk",
        "cephfs",
        "cinder",
        "downwardAPI",
        "emptyDir",
        "fc",
        "flexVolume",
        "flocker",
        "gcePersistentDisk",
        "gitRepo",
        "hostPath",
        "image",
        "iscsi",
        "nfs",
        "photonPersistentDisk",
        "portworxVolume",
        "quobyte",
        "rbd",
        "scaleIO",
        "storageos",
        "vsphereVolume",
    }
)
_VOLUME_REFERENCES = {
    "configMap": "configmaps (via configmap volumes)",
    "secret": "secrets (via secret volumes)",
    "csi": "csidrivers (via CSI volumes)",
    "glusterfs": "endpoints (via glusterFS volumes)",
    "persistentVolumeClaim": "persistentvolumeclaims",
    "ephemeral": "persistentvolumeclaims (via ephemeral volumes)",
    "azureFile": "secrets (via azureFile volumes)",
}
_PROJECTED_REFERENCES = {
    "configMap": "configmaps (via projected volumes)",
    "secret": "secrets (via projected volumes)",
    "serviceAccountToken": "serviceaccounts (via projected volumes)",
    "clusterTrustBundle": "clustertrustbundles",
    "podCertificate": "podcertificates",
}


def api_object_of(attributes: Attributes, pod: Object) -> str:
    """What of the API a mirror pod refers to, which it must not (upstream HasAPIObjectReference)."""
    spec = spec_of(pod)
    if spec.get("serviceAccountName"):
        return "serviceaccounts"
    if next(secret_names(pod), None) is not None:
        return "secrets"
    if next(config_map_names(pod), None) is not None:
        return "configmaps"
    if spec.get("resourceClaims"):
        return "resourceclaims"
    for volume in volumes(pod):
        if found := _volume_reference(attributes, volume):
            return found
    return ""


def _volume_reference(attributes: Attributes, volume: dict[str, Any]) -> str:
    kinds = [kind for kind, value in volume.items() if kind != "name" and value is not None]
    if any(kind in _HARMLESS for kind in kinds):
        return ""
    for kind in kinds:
        if kind in _VOLUME_REFERENCES:
            return _VOLUME_REFERENCES[kind]
    checking = "error checking mirror pod for API references:"
    name = volume.get("name") or ""
    if "projected" not in kinds:
        raise forbidden(attributes, f'{checking} unknown volume type for volume  "{name}"')
    for source in volume["projected"].get("sources") or ():
        found = next((text for kind, text in _PROJECTED_REFERENCES.items() if source.get(kind) is not None), "")
        if found:
            return found
        if source.get("downwardAPI") is None:
            raise forbidden(attributes, f'{checking} unknown source for projected volume "{name}"')
    return ""
