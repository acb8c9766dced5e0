"""How many volumes of a CSI driver a node can have attached. In-tree volumes that migrate to CSI are not counted here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apiserver.apimachinery.objects import Object
from controllers.framework import kinds
from controllers.scheduler.framework import events, listers
from controllers.scheduler.framework.events import ASSIGNED_POD_DELETE, ClusterEvent, EventHint
from controllers.scheduler.framework.interface import CycleState, Handle
from controllers.scheduler.framework.node_info import NodeInfo
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.status import ERROR, SKIP, UNRESOLVABLE, UNSCHEDULABLE, Status
from controllers.scheduler.plugins.volume_claims import claims_used, class_of, not_for_pod, uses_claim

_TOO_MANY = Status(UNSCHEDULABLE, "node(s) exceed max volume count")
_SKIP = Status(SKIP)
BY_NODE = "spec.nodeName"

Volumes = dict[tuple[str, str], None]  # (driver, handle)


class NodeVolumeLimits:
    name = "NodeVolumeLimits"

    def __init__(self, args: Mapping[str, Any], handle: Handle) -> None:
        self._listers = handle.listers
        self._attachments = handle.listers.informer(listers.VOLUME_ATTACHMENTS)
        self._attachments.add_index(BY_NODE, lambda a: (a["spec"].get("nodeName") or "",))
        self._prefix = handle.rand.suffix(32)  # of handles of volumes that are still to be made

    def events(self) -> Sequence[EventHint]:
        attachment_gone = ClusterEvent(events.VOLUME_ATTACHMENT, events.DELETE)
        claim_added = ClusterEvent(events.PERSISTENT_VOLUME_CLAIM, events.ADD)
        return (
            EventHint(ClusterEvent(events.CSI_NODE, events.ADD)),
            EventHint(ClusterEvent(events.CSI_NODE, events.UPDATE), _limit_grew),
            EventHint(ASSIGNED_POD_DELETE, _had_claims),
            EventHint(claim_added, lambda pod, old, new: uses_claim(pod, new)),
            EventHint(attachment_gone, _names_any_claim),
        )

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        return None if any(claims_used(pod.pod)) else _SKIP

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        new: Volumes = {}
        if (status := self._collect(pod.pod, new, strict=True)) is not None:
            return status
        if not new:
            return None
        csi_node = self._listers.get(listers.CSI_NODES, "", node.name)
        if (status := self._missing_driver(new, csi_node)) is not None:
            return status
        limits = _limits(csi_node)
        if not limits:
            return None
        attached: Volumes = {}
        for other in node.pods.values():
            self._collect(other.pod, attached, strict=False)
        attached |= self._attached_to(node.name)
        added = [volume for volume in new if volume not in attached]
        for driver in dict.fromkeys(driver for driver, _ in added):
            limit = limits.get(driver)
            count = sum(d == driver for d, _ in attached) + sum(d == driver for d, _ in added)
            if limit is not None and count > limit:
                return _TOO_MANY
        return None

    def _collect(self, pod: Object, found: Volumes, *, strict: bool) -> Status | None:
        """The CSI volumes behind a pod's claims; `strict`: a claim that is not there is a refusal."""
        namespace = pod["metadata"].get("namespace") or ""
        for use in claims_used(pod):
            claim = self._listers.get(kinds.PERSISTENT_VOLUME_CLAIMS, namespace, use.name)
            if claim is None:
                if strict:
                    missing = f'persistentvolumeclaim "{use.name}" not found'
                    return Status(UNRESOLVABLE, f"looking up PVC {namespace}/{use.name}: {missing}")
                continue
            if use.ephemeral and (why := not_for_pod(pod, claim)):
                if strict:
                    return Status(ERROR, why)
                continue
            driver, handle = self._volume_of(claim)
            if driver and handle:
                found[(driver, handle)] = None
        return None

    def _volume_of(self, claim: Object) -> tuple[str, str]:
        """(driver, handle) of a claim's volume, or of the one that would be made for it; empty where it is not CSI."""
        name = claim["spec"].get("volumeName")
        volume = self._listers.get(kinds.PERSISTENT_VOLUMES, "", name) if name else None
        if volume is not None:
            csi = volume["spec"].get("csi") or {}
            return csi.get("driver") or "", csi.get("volumeHandle") or ""
        found = self._listers.get(kinds.STORAGE_CLASSES, "", class_of(claim))
        if found is None:
            return "", ""
        meta = claim["metadata"]
        return found.get("provisioner") or "", f"{self._prefix}-{meta['namespace']}/{meta['name']}"

    def _missing_driver(self, volumes: Volumes, csi_node: Object | None) -> Status | None:
        installed = [d["name"] for d in ((csi_node or {}).get("spec") or {}).get("drivers") or ()]
        for name, _ in volumes:
            driver = self._listers.get(listers.CSI_DRIVERS, "", name)
            wanted = driver is not None and driver["spec"].get("preventPodSchedulingIfMissing")
            if wanted and name not in installed:
                return Status(UNSCHEDULABLE, f"{name} CSI driver is not installed on the node")
        return None

    def _attached_to(self, node: str) -> Volumes:
        found: Volumes = {}
        for attachment in self._attachments.lister.by_index(BY_NODE, node):
            source = attachment["spec"].get("source") or {}
            name, attacher = source.get("persistentVolumeName"), attachment["spec"].get("attacher")
            volume = self._listers.get(kinds.PERSISTENT_VOLUMES, "", name) if name else None
            csi = volume["spec"].get("csi") if volume is not None else None
            if attacher and csi:
                found[(attacher, csi.get("volumeHandle") or "")] = None
        return found


def _limits(csi_node: Object | None) -> dict[str, int]:
    """By driver, where its CSINode says."""
    drivers = ((csi_node or {}).get("spec") or {}).get("drivers") or ()
    counts = {d["name"]: (d.get("allocatable") or {}).get("count") for d in drivers}
    return {name: count for name, count in counts.items() if count is not None}


def _limit_grew(pod: Object, old: Any, new: Any) -> bool:
    before = _limits(old)
    return any(count > before.get(name, 0) for name, count in _limits(new).items())


def _had_claims(pod: Object, old: Any, new: Any) -> bool:
    if not old["spec"].get("nodeName") and not (old.get("status") or {}).get("nominatedNodeName"):
        return False
    return any(claims_used(old))


def _names_any_claim(pod: Object, old: Any, new: Any) -> bool:
    return any(volume.get("persistentVolumeClaim") for volume in pod["spec"].get("volumes") or ())
