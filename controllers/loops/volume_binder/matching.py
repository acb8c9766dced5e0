"""Which volume suits a claim: pure decisions. Mirrors upstream component-helpers storage/volume and persistentvolume/index.go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apiserver.apimachinery import labels, objects, quantity
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.quantity import Quantity
from controllers.framework.claims import class_of, is_default_class

BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
NOTHING = quantity.of(0)


def capacity(volume: Object) -> Quantity:
    text = objects.get(volume, "spec", "capacity", "storage")
    return quantity.parse(text) if text else NOTHING


def requested(claim: Object) -> Quantity:
    text = objects.get(claim, "spec", "resources", "requests", "storage")
    return quantity.parse(text) if text else NOTHING


def mode(obj: Object) -> str:
    return obj["spec"].get("volumeMode") or "Filesystem"


def attributes_class(obj: Object) -> str:
    return obj["spec"].get("volumeAttributesClassName") or ""


def has_modes(claim: Object, volume: Object) -> bool:
    """Can the volume be accessed in all the ways the claim asks for?"""
    return set(claim["spec"].get("accessModes") or ()) <= set(volume["spec"].get("accessModes") or ())


def is_bound_to(volume: Object, claim: Object) -> bool:
    """Is the volume bound to the claim, or meant for it?"""
    reference = volume["spec"].get("claimRef")
    meta = claim["metadata"]
    if not reference or (reference.get("namespace"), reference.get("name")) != (meta["namespace"], meta["name"]):
        return False
    return reference.get("uid", "") in ("", meta["uid"])


def mismatch(volume: Object, claim: Object) -> str:
    """Why a volume asked for by name does not do; empty when it does."""
    if volume["metadata"].get("deletionTimestamp"):
        return f'the volume is marked for deletion "{volume["metadata"]["name"]}"'
    if capacity(volume).value < requested(claim).value:
        return "requested PV is too small"
    if class_of(volume) != class_of(claim):
        return "storageClassName does not match"
    if attributes_class(volume) != attributes_class(claim):
        return "volumeAttributesClassName does not match"
    if mode(volume) != mode(claim):
        return "incompatible volumeMode"
    return "" if has_modes(claim, volume) else "incompatible accessMode"


def _modes(volume: Object) -> tuple[int, tuple[str, ...]]:
    modes = tuple(sorted(volume["spec"].get("accessModes") or ()))
    return len(modes), modes


def find(claim: Object, volumes: Iterable[Object], *, delayed: bool) -> Object | None:
    """The volume for a claim: one that is meant for it, else the smallest that will do, with as few modes as possible.

    `delayed`: the scheduler chooses; only one that is meant for the claim counts.
    """
    groups: dict[Any, list[Object]] = {}
    for volume in volumes:
        if has_modes(claim, volume):
            groups.setdefault(_modes(volume), []).append(volume)
    for key in sorted(groups):
        found = _best(claim, groups[key], delayed)
        if found is not None:
            return found
    return None


def _best(claim: Object, volumes: list[Object], delayed: bool) -> Object | None:
    wanted, best = requested(claim), None
    selector = claim["spec"].get("selector")
    for volume in volumes:
        meant = is_bound_to(volume, claim)
        if volume["spec"].get("claimRef") and not meant:
            continue
        if (mode(volume), attributes_class(volume)) != (mode(claim), attributes_class(claim)):
            continue
        if capacity(volume) < wanted or volume["metadata"].get("deletionTimestamp"):
            continue
        if meant:
            return volume
        if delayed or (volume.get("status") or {}).get("phase") != "Available" or class_of(volume) != class_of(claim):
            continue
        if selector is not None and not labels.from_label_selector(selector).matches(objects.labels_of(volume)):
            continue
        if best is None or capacity(volume) < capacity(best):
            best = volume
    return best


def default_class(classes: Iterable[Object]) -> Object | None:
    """The newest of the classes that are marked as default."""
    marked = sorted((c for c in classes if is_default_class(c)), key=lambda c: str(c["metadata"]["name"]))
    return max(marked, key=lambda c: c["metadata"].get("creationTimestamp") or "", default=None)
