"""Disks that one pod at a time may write to, and claims that one pod at a time may use (ReadWriteOncePod)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from apiserver.apimachinery.objects import Object
from controllers.scheduler.framework import events
from controllers.scheduler.framework.events import ASSIGNED_POD_DELETE, NODE_ADD, ClusterEvent, EventHint
from controllers.scheduler.framework.interface import CycleState, Handle
from controllers.scheduler.framework.node_info import NodeInfo
from controllers.scheduler.framework.pod_info import PodInfo, claim_names
from controllers.scheduler.framework.status import SKIP, UNRESOLVABLE, UNSCHEDULABLE, Status
from controllers.scheduler.plugins.volume_claims import NotFound, find_claim

_NO_DISK = Status(UNSCHEDULABLE, "node(s) had no available disk")
_IN_USE = Status(
    UNSCHEDULABLE,
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod",
)
_SKIP = Status(SKIP)

Source = Mapping[str, Any]


def _read_write(one: Source, other: Source) -> bool:
    return not (one.get("readOnly") and other.get("readOnly"))


def _same_rbd(one: Source, other: Source) -> bool:
    shared = set(one.get("monitors") or ()) & set(other.get("monitors") or ())
    same = all((one.get(k) or "rbd") == (other.get(k) or "rbd") for k in ("pool",)) and one["image"] == other["image"]
    return bool(shared) and same and _read_write(one, other)


# Volume source → do two of them conflict?
_CONFLICTS: Mapping[str, Callable[[Source, Source], bool]] = {
    "gcePersistentDisk": lambda a, b: a["pdName"] == b["pdName"] and _read_write(a, b),
    "awsElasticBlockStore": lambda a, b: a["volumeID"] == b["volumeID"],
    "iscsi": lambda a, b: a["iqn"] == b["iqn"] and _read_write(a, b),
    "rbd": _same_rbd,
}


class _State:
    """How many pods use a claim of the pod that only one may use."""

    def __init__(self, namespace: str, single: frozenset[str], users: int) -> None:
        self.namespace = namespace
        self.single = single
        self.users = users

    def clone(self) -> _State:
        return _State(self.namespace, self.single, self.users)

    def change(self, other: PodInfo, by: int) -> None:
        self.users += by * sum(name in self.single for name in other.claims)


class VolumeRestrictions:
    name = "VolumeRestrictions"

    def __init__(self, args: Mapping[str, Any], handle: Handle) -> None:
        self._handle = handle

    def events(self) -> Sequence[EventHint]:
        claim_added = ClusterEvent(events.PERSISTENT_VOLUME_CLAIM, events.ADD)
        return (EventHint(ASSIGNED_POD_DELETE, _freed), EventHint(NODE_ADD), EventHint(claim_added, _names_claim))

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        if not pod.pod["spec"].get("volumes"):
            return _SKIP
        try:
            single = frozenset(name for name in pod.claims if self._single(pod.namespace, name))
        except NotFound as error:
            return Status(UNRESOLVABLE, str(error))
        users = sum(self._handle.snapshot.claim_in_use((pod.namespace, name)) for name in single)
        if not users and not any(_sources(pod.pod)):
            return _SKIP
        state.data[self.name] = _State(pod.namespace, single, users)
        return None

    def _single(self, namespace: str, name: str) -> bool:
        claim = find_claim(self._handle.listers, namespace, name)
        return "ReadWriteOncePod" in (claim["spec"].get("accessModes") or ())

    def add_pod(self, state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo) -> Status | None:
        state.data[self.name].change(added, 1)
        return None

    def remove_pod(self, state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo) -> Status | None:
        state.data[self.name].change(removed, -1)
        return None

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        if conflicts(pod.pod, (other.pod for other in node.pods.values())):
            return _NO_DISK
        return _IN_USE if state.data[self.name].users > 0 else None


def _sources(pod: Object) -> Iterable[tuple[str, Source]]:
    for volume in pod["spec"].get("volumes") or ():
        for kind in _CONFLICTS:
            if volume.get(kind):
                yield kind, volume[kind]


def conflicts(pod: Object, others: Iterable[Object]) -> bool:
    """Does one of the pod's disks conflict with one of the others'?"""
    mine = list(_sources(pod))
    if not mine:
        return False
    theirs = [source for other in others for source in _sources(other)]
    return any(kind == other and _CONFLICTS[kind](one, two) for kind, one in mine for other, two in theirs)


def _freed(pod: Object, old: Any, new: Any) -> bool:
    if old["metadata"].get("namespace") != pod["metadata"].get("namespace"):
        return False
    return conflicts(pod, (old,)) or not set(claim_names(pod)).isdisjoint(claim_names(old))


def _names_claim(pod: Object, old: Any, new: Any) -> bool:
    meta = new["metadata"]
    return meta["namespace"] == pod["metadata"].get("namespace") and meta["name"] in claim_names(pod)
