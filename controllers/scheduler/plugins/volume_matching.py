"""Which existing volume a claim gets on a node: the smallest that will do (upstream storage/volume/pv_helpers.go)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from apiserver.apimachinery import labels
from apiserver.apimachinery.objects import Object, copy, labels_of
from controllers.scheduler.framework.resources import amount
from controllers.scheduler.plugins.volume_claims import BOUND_BY_CONTROLLER, bound_to, class_of, reachable_from


def requested(claim: Object) -> int:
    """Bytes."""
    requests = (claim["spec"].get("resources") or {}).get("requests") or {}
    return amount("storage", str(requests.get("storage", "0")))


def capacity(volume: Object) -> int:
    return amount("storage", str((volume["spec"].get("capacity") or {}).get("storage", "0")))


def find_match(
    claim: Object, volumes: Iterable[Object], node_labels: Mapping[str, str], taken: Mapping[str, Object]
) -> Object | None:
    """A volume that is reserved for the claim, or else the smallest free one. `taken` ones are left out."""
    selector = None
    if claim["spec"].get("selector") is not None:
        selector = labels.from_label_selector(claim["spec"]["selector"])
    best: Object | None = None
    for volume in volumes:
        if volume["metadata"]["name"] in taken or not _suits(claim, volume):
            continue
        reachable = reachable_from(volume, node_labels)
        if bound_to(volume, claim):
            return volume if reachable else None
        if (volume.get("status") or {}).get("phase") != "Available" or not reachable:
            continue
        if selector is not None and not selector.matches(labels_of(volume)):
            continue
        if class_of(volume) != class_of(claim) or not _modes_suit(claim, volume):
            continue
        if best is None or capacity(volume) < capacity(best):
            best = volume
    return best


def _suits(claim: Object, volume: Object) -> bool:
    """Big enough, of the right kind, and nobody else's."""
    if volume["spec"].get("claimRef") and not bound_to(volume, claim):
        return False
    if volume["metadata"].get("deletionTimestamp") or capacity(volume) < requested(claim):
        return False
    for key, default in (("volumeMode", "Filesystem"), ("volumeAttributesClassName", "")):
        if (volume["spec"].get(key) or default) != (claim["spec"].get(key) or default):
            return False
    return True


def _modes_suit(claim: Object, volume: Object) -> bool:
    offered = volume["spec"].get("accessModes") or ()
    return all(mode in offered for mode in claim["spec"].get("accessModes") or ())


def bind_volume(volume: Object, claim: Object) -> tuple[Object, bool]:
    """The volume as bound to the claim, and whether that changes it."""
    reference, meta = volume["spec"].get("claimRef") or {}, claim["metadata"]
    prebound = bound_to(volume, claim)
    bound = copy(volume)
    changed = False
    if any(reference.get(key) != meta.get(key) for key in ("name", "namespace", "uid")):
        bound["spec"]["claimRef"] = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            **{key: meta[key] for key in ("namespace", "name", "uid", "resourceVersion") if meta.get(key)},
        }
        changed = True
    annotations = bound["metadata"].get("annotations") or {}
    if not prebound and BOUND_BY_CONTROLLER not in annotations:
        bound["metadata"]["annotations"] = {**annotations, BOUND_BY_CONTROLLER: "yes"}
        changed = True
    return bound, changed
