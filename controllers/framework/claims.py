"""Which claims pods use, by reference and by ephemeral volumes, and the pods of a claim by index."""

from __future__ import annotations

from collections.abc import Iterable

from apiserver.apimachinery import objects
from apiserver.apimachinery.objects import Object, controller_of
from apiserver.client.informer import Informer
from controllers.framework import pods as pod_facts
from controllers.framework.controller import Request

BY_CLAIM = "claim"  # the name of the index below
DEFAULT_CLASS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"


def ephemeral_claim(pod: Object, volume: Object) -> str:
    """The name of the claim that an ephemeral volume of a pod has."""
    return f"{pod['metadata']['name']}-{volume['name']}"


def claim_requests(pod: Object) -> Iterable[Request]:
    """The claims a pod's volumes name."""
    namespace = pod["metadata"]["namespace"]
    for volume in pod["spec"].get("volumes") or ():
        if volume.get("persistentVolumeClaim"):
            yield Request(namespace, volume["persistentVolumeClaim"]["claimName"])
        elif volume.get("ephemeral"):
            yield Request(namespace, ephemeral_claim(pod, volume))


def index_by_claim(pods: Informer) -> None:
    """Have the pods' lister answer `by_index(BY_CLAIM, str(request))`."""
    pods.add_index(BY_CLAIM, lambda pod: [str(request) for request in claim_requests(pod)])


def made_for(pod: Object, claim: Object) -> bool:
    """Was a claim made for an ephemeral volume of this pod?"""
    owner = controller_of(claim)
    return owner is not None and owner["uid"] == pod["metadata"]["uid"]


def is_over(pod: Object) -> bool:
    """Has the pod finished, or is it being deleted with nothing running any more? (upstream IsPodTerminated)"""
    if pod_facts.phase(pod) in ("Failed", "Succeeded"):
        return True
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    quiet = not any(
        "terminated" not in (s.get("state") or {}) and "waiting" not in (s.get("state") or {}) for s in statuses
    )
    return bool(pod["metadata"].get("deletionTimestamp")) and quiet


def class_of(obj: Object) -> str:
    """The storage class of a claim or a volume; empty: none."""
    annotations = objects.annotations_of(obj)
    if CLASS_ANNOTATION in annotations:
        return annotations[CLASS_ANNOTATION]
    return obj["spec"].get("storageClassName") or ""


def is_default_class(storage_class: Object) -> bool:
    annotations = objects.annotations_of(storage_class)
    return any(annotations.get(name) == "true" for name in DEFAULT_CLASS)
