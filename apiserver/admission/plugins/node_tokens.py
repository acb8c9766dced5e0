"""For which audiences a node may ask tokens: those its pod mounts, by projection or CSI driver, or those it is allowed.

Mirrors upstream plugin/pkg/admission/noderestriction validateNodeServiceAccountAudience.
"""

from __future__ import annotations

from typing import Any

from apiserver.admission import lookups
from apiserver.admission.interface import AdmissionDependencies, Attributes
from apiserver.admission.pods import projections, volumes
from apiserver.admission.refusals import forbidden
from apiserver.apimachinery.errors import aggregate
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object, name_of, namespace_of
from apiserver.auth.interface import ALLOW, AuthorizerAttributes

CLAIMS = GroupResource("", "persistentvolumeclaims")
VOLUMES = GroupResource("", "persistentvolumes")
CSI_DRIVERS = GroupResource("storage.k8s.io", "csidrivers")

# In-tree volumes and the CSI drivers that took them over (upstream csi-translation-lib).
IN_TREE = {
    "awsElasticBlockStore": "ebs.csi.aws.com",
    "azureDisk": "disk.csi.azure.com",
    "azureFile": "file.csi.azure.com",
    "cinder": "cinder.csi.openstack.org",
    "gcePersistentDisk": "pd.csi.storage.gke.io",
    "portworxVolume": "pxd.portworx.com",
    "vsphereVolume": "csi.vsphere.vmware.com",
}


class _NotFound(Exception):
    """Something on the way from a volume to its driver is not there."""


async def check_audience(
    dependencies: AdmissionDependencies, attributes: Attributes, audiences: list[str], pod: Object
) -> None:
    """Raise a 403 StatusError unless the node may have a token for the one audience it names (or the default one)."""
    if len(audiences) > 1:
        raise forbidden(attributes, "node may only request 0 or 1 audiences")
    audience = audiences[0] if audiences else ""
    if any((s.get("serviceAccountToken") or {}).get("audience", "") == audience for s in _tokens(pod)):
        return
    found, problems = _csi_audience(dependencies, pod, audience)
    if found:
        return
    if problems:
        raise forbidden(attributes, f'error validating audience "{audience}": {aggregate(problems)}')
    if not await _may_ask(dependencies, attributes, audience):
        user = attributes.user.name
        raise forbidden(attributes, f'{user} is not authorized to request tokens for audience "{audience}"')


def _tokens(pod: Object) -> list[dict[str, Any]]:
    return [source for source in projections(pod) if source.get("serviceAccountToken") is not None]


def _csi_audience(dependencies: AdmissionDependencies, pod: Object, audience: str) -> tuple[bool, list[str]]:
    """Whether a CSI driver of the pod's volumes wants tokens for the audience; and what could not be found out."""
    problems = []
    for volume in volumes(pod):
        try:
            driver = _driver_of(dependencies, pod, volume)
            if driver and audience in _audiences_of(dependencies, driver):
                return True, []
        except _NotFound as e:
            problems.append(str(e))
    return False, problems


def _driver_of(dependencies: AdmissionDependencies, pod: Object, volume: dict[str, Any]) -> str:
    if (volume.get("ephemeral") or {}).get("volumeClaimTemplate") is not None:
        return _driver_of_claim(dependencies, namespace_of(pod), f"{name_of(pod)}-{volume.get('name') or ''}")
    if volume.get("persistentVolumeClaim") is not None:
        claim = volume["persistentVolumeClaim"].get("claimName") or ""
        return _driver_of_claim(dependencies, namespace_of(pod), claim)
    if volume.get("csi") is not None:
        return volume["csi"].get("driver") or ""
    return _in_tree_driver(volume)


def _driver_of_claim(dependencies: AdmissionDependencies, namespace: str, name: str) -> str:
    claim = _get(dependencies, CLAIMS, namespace, name)
    volume = _get(dependencies, VOLUMES, "", (claim.get("spec") or {}).get("volumeName") or "")
    spec = volume.get("spec") or {}
    return (spec.get("csi") or {}).get("driver") or _in_tree_driver(spec)


def _in_tree_driver(source: dict[str, Any]) -> str:
    return next((driver for kind, driver in IN_TREE.items() if source.get(kind) is not None), "")


def _audiences_of(dependencies: AdmissionDependencies, driver: str) -> list[str]:
    found = _get(dependencies, CSI_DRIVERS, "", driver)
    return [request.get("audience") or "" for request in (found.get("spec") or {}).get("tokenRequests") or ()]


def _get(dependencies: AdmissionDependencies, resource: GroupResource, namespace: str, name: str) -> Object:
    found = lookups.cached(dependencies, resource, namespace, name)
    if found is None:
        raise _NotFound(lookups.unknown(resource, name).message)
    return found


async def _may_ask(dependencies: AdmissionDependencies, attributes: Attributes, audience: str) -> bool:
    if dependencies.authorizer is None:
        return False
    decision = await dependencies.authorizer.authorize(
        AuthorizerAttributes(
            user=attributes.user,
            verb="request-serviceaccounts-token-audience",
            is_resource=True,
            group=attributes.resource.group,
            version=attributes.resource.version,
            resource=audience,
            namespace=attributes.namespace,
            name=attributes.name,
        )
    )
    return bool(decision.verdict == ALLOW)
