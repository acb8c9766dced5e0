"""What the volume plugins ask of pods, claims, volumes and storage classes (upstream component-helpers/storage)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from apiserver.apimachinery.labels import SelectorError
from apiserver.apimachinery.objects import Object, annotations_of, controller_of
from controllers.framework import kinds
from controllers.scheduler.framework.listers import Listers
from controllers.scheduler.plugins.node_selectors import NodeSelector

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
NO_PROVISIONER = "kubernetes.io/no-provisioner"
WAIT_FOR_CONSUMER = "WaitForFirstConsumer"


class ClaimUse(NamedTuple):
    """A claim a pod uses; `ephemeral`: one made for the pod from a template in its volume."""

    name: str
    ephemeral: bool


class NotFound(Exception):
    """Something the pod names is not there; the text is upstream's."""


def claims_used(pod: Object) -> Iterator[ClaimUse]:
    for volume in pod["spec"].get("volumes") or ():
        if claim := volume.get("persistentVolumeClaim"):
            yield ClaimUse(claim["claimName"], False)
        elif volume.get("ephemeral"):
            yield ClaimUse(f"{pod['metadata']['name']}-{volume['name']}", True)


def uses_claim(pod: Object, claim: Object) -> bool:
    meta = claim["metadata"]
    if meta["namespace"] != pod["metadata"].get("namespace"):
        return False
    return any(use.name == meta["name"] for use in claims_used(pod))


def not_for_pod(pod: Object, claim: Object) -> str:
    """Why an ephemeral volume's claim is not the pod's; empty when it is."""
    owner = controller_of(claim)
    if owner is not None and owner.get("uid") == pod["metadata"]["uid"]:
        return ""
    whose = f"{claim['metadata']['namespace']}/{claim['metadata']['name']}"
    return (
        f"PVC {whose} was not created for pod {pod['metadata']['namespace']}/{pod['metadata']['name']} "
        "(pod is not owner)"
    )


def class_of(obj: Object) -> str:
    """The storage class of a claim or of a volume."""
    annotations = annotations_of(obj)
    if CLASS_ANNOTATION in annotations:
        return annotations[CLASS_ANNOTATION]
    return obj["spec"].get("storageClassName") or ""


def fully_bound(claim: Object) -> bool:
    return bool(claim["spec"].get("volumeName")) and BIND_COMPLETED in annotations_of(claim)


def waits_for_consumer(listers: Listers, claim: Object) -> bool:
    """Is the claim bound only when a pod that uses it is scheduled?"""
    found = listers.get(kinds.STORAGE_CLASSES, "", class_of(claim))
    return found is not None and found.get("volumeBindingMode") == WAIT_FOR_CONSUMER


def bound_to(volume: Object, claim: Object) -> bool:
    """Is the volume meant for this claim?"""
    reference, meta = volume["spec"].get("claimRef"), claim["metadata"]
    if not reference:
        return False
    if reference.get("name") != meta["name"] or reference.get("namespace") != meta["namespace"]:
        return False
    return not reference.get("uid") or reference["uid"] == meta["uid"]


def reachable_from(volume: Object, node_labels: Mapping[str, str]) -> bool:
    """Does the volume's node affinity allow a node with these labels? Conditions on fields are not looked at, as upstream."""
    required = (volume["spec"].get("nodeAffinity") or {}).get("required")
    if required is None:
        return True
    terms = required.get("nodeSelectorTerms") or ()
    if any(term.get("matchFields") and not term.get("matchExpressions") for term in terms):
        return True
    expressions = [{"matchExpressions": term.get("matchExpressions")} for term in terms]
    try:
        return NodeSelector({"nodeSelectorTerms": expressions}).matches("", node_labels)
    except SelectorError:
        return False


def find_claim(listers: Listers, namespace: str, name: str) -> Object:
    """Raises NotFound."""
    claim = listers.get(kinds.PERSISTENT_VOLUME_CLAIMS, namespace, name)
    if claim is None:
        raise NotFound(f'persistentvolumeclaim "{name}" not found')
    return claim


def topology_allowed(terms: Any, node_labels: Mapping[str, str]) -> bool:
    """Does one of a storage class's allowedTopologies hold for the node? None at all: any node will do."""
    if not terms:
        return True
    return any(
        all(node_labels.get(e["key"]) in (e.get("values") or ()) for e in term.get("matchLabelExpressions") or ())
        for term in terms
        if term.get("matchLabelExpressions")
    )
