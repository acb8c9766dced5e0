"""A volume that is labelled with a zone or region is used there only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apiserver.apimachinery.objects import Object, labels_of
from controllers.framework import kinds
from controllers.scheduler.framework import events
from controllers.scheduler.framework.events import ClusterEvent, EventHint
from controllers.scheduler.framework.interface import CycleState, Handle
from controllers.scheduler.framework.node_info import NodeInfo
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.status import SKIP, UNRESOLVABLE, Status
from controllers.scheduler.plugins.volume_claims import WAIT_FOR_CONSUMER, NotFound, class_of, find_claim

_ELSEWHERE = Status(UNRESOLVABLE, "node(s) had no available volume zone")
_SKIP = Status(SKIP)

_GA = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
}
TOPOLOGY_LABELS = (*_GA, *_GA.values())

Topology = tuple[str, frozenset[str]]  # label, allowed values


class VolumeZone:
    name = "VolumeZone"

    def __init__(self, args: Mapping[str, Any], handle: Handle) -> None:
        self._listers = handle.listers

    def events(self) -> Sequence[EventHint]:
        changed = events.ADD | events.UPDATE
        return (
            EventHint(ClusterEvent(events.STORAGE_CLASS, events.ADD), _waiting_class),
            EventHint(ClusterEvent(events.NODE, events.ADD | events.UPDATE_NODE_LABEL)),
            EventHint(ClusterEvent(events.PERSISTENT_VOLUME_CLAIM, changed), _names_claim),
            EventHint(ClusterEvent(events.PERSISTENT_VOLUME, changed), _moved),
        )

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        if not pod.claims:
            return _SKIP
        try:
            found = [topology for name in pod.claims for topology in self._topologies(pod.namespace, name)]
        except NotFound as error:
            return Status(UNRESOLVABLE, str(error))
        if not found:
            return _SKIP
        state.data[self.name] = found
        return None

    def _topologies(self, namespace: str, name: str) -> list[Topology]:
        """Of the volume behind a claim; none while that is still to be chosen. Raises NotFound with the reason."""
        claim = find_claim(self._listers, namespace, name)
        volume_name = claim["spec"].get("volumeName")
        if not volume_name:
            self._check_waiting(claim)
            return []
        volume = self._listers.get(kinds.PERSISTENT_VOLUMES, "", volume_name)
        if volume is None:
            raise NotFound(f'persistentvolume "{volume_name}" not found')
        return topologies(volume)

    def _check_waiting(self, claim: Object) -> None:
        name = class_of(claim)
        if not name:
            raise NotFound("PersistentVolumeClaim had no pv name and storageClass name")
        found = self._listers.get(kinds.STORAGE_CLASSES, "", name)
        if found is None:
            raise NotFound(f'storageclass.storage.k8s.io "{name}" not found')
        if found.get("volumeBindingMode") is None:
            raise NotFound(f'VolumeBindingMode not set for StorageClass "{name}"')
        if found["volumeBindingMode"] != WAIT_FOR_CONSUMER:
            raise NotFound("PersistentVolume had no name")

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        if not any(label in node.labels for label in TOPOLOGY_LABELS):
            return None  # a cluster of a single zone need not say so
        for label, values in state.data[self.name]:
            value = node.labels.get(label, node.labels.get(_GA.get(label, label)))
            if value not in values:
                return _ELSEWHERE
        return None


def topologies(volume: Object) -> list[Topology]:
    """The zones and regions a volume is labelled with; several are joined by `__`."""
    found: list[Topology] = []
    for label in TOPOLOGY_LABELS:
        text = labels_of(volume).get(label)
        values = [value.strip() for value in text.split("__")] if text is not None else []
        if values and all(values):
            found.append((label, frozenset(values)))
    return found


def _waiting_class(pod: Object, old: Any, new: Any) -> bool:
    return bool(new.get("volumeBindingMode") == WAIT_FOR_CONSUMER)


def _names_claim(pod: Object, old: Any, new: Any) -> bool:
    meta = new["metadata"]
    if meta["namespace"] != pod["metadata"].get("namespace"):
        return False
    volumes = pod["spec"].get("volumes") or ()
    return any((v.get("persistentVolumeClaim") or {}).get("claimName") == meta["name"] for v in volumes)


def _moved(pod: Object, old: Any, new: Any) -> bool:
    return old is None or topologies(old) != topologies(new)
