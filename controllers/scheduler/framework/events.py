"""Cluster events: what changed in the cluster that may make a pod schedulable, and which plugin wants to know.

Mirrors k8s.io/kube-scheduler/framework/types.go and pkg/scheduler/framework/events.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from apiserver.apimachinery.objects import Object, annotations_of, labels_of
from controllers.scheduler.framework.resources import pod_requests, status_resources

ADD = 1 << 0
DELETE = 1 << 1
UPDATE_NODE_ALLOCATABLE = 1 << 2
UPDATE_NODE_LABEL = 1 << 3
UPDATE_NODE_TAINT = 1 << 4  # of spec.unschedulable too
UPDATE_NODE_CONDITION = 1 << 5
UPDATE_NODE_ANNOTATION = 1 << 6
UPDATE_NODE_DECLARED_FEATURE = 1 << 7
UPDATE_POD_LABEL = 1 << 9
UPDATE_POD_SCALE_DOWN = 1 << 10
UPDATE_POD_SCALE_UP = 1 << 11
UPDATE_POD_TOLERATION = 1 << 12
UPDATE_POD_GATES_ELIMINATED = 1 << 13
UPDATE_POD_GENERATED_CLAIM = 1 << 14
ALL = (1 << 15) - 1
UPDATE = ALL & ~(ADD | DELETE)

NODE = "Node"
POD = "Pod"
ASSIGNED_POD = "AssignedPod"
UNSCHEDULED_POD = "UnscheduledPod"
TARGET_POD = "TargetPod"  # the waiting pod itself
PERSISTENT_VOLUME = "PersistentVolume"
PERSISTENT_VOLUME_CLAIM = "PersistentVolumeClaim"
STORAGE_CLASS = "storage.k8s.io/StorageClass"
CSI_NODE = "storage.k8s.io/CSINode"
CSI_DRIVER = "storage.k8s.io/CSIDriver"
CSI_STORAGE_CAPACITY = "storage.k8s.io/CSIStorageCapacity"
VOLUME_ATTACHMENT = "storage.k8s.io/VolumeAttachment"
NAMESPACE = "Namespace"
WILDCARD = "*"

_POD_RESOURCES = (ASSIGNED_POD, UNSCHEDULED_POD, TARGET_POD)


class ClusterEvent(NamedTuple):
    """One kind of change of one kind of object; `actions` may hold several where a plugin declares its interest."""

    resource: str
    actions: int
    label: str = ""

    @property
    def wildcard(self) -> bool:
        return self.resource == WILDCARD and self.actions == ALL

    def covers(self, incoming: ClusterEvent) -> bool:
        """Is `incoming` something that who registered this event wants to see?"""
        if self.wildcard:
            return True
        same = self.resource == incoming.resource or self.resource == WILDCARD
        if not same and not (self.resource == POD and incoming.resource in _POD_RESOURCES):
            return False
        return self.actions & incoming.actions != 0 and incoming.actions <= self.actions


# (the waiting pod, old object, new object) → may it be schedulable now? Asked without a hint, the answer is yes.
Hint = Callable[[Object, Any, Any], bool]


class EventHint(NamedTuple):
    """What a plugin registers: an event, and how to tell whether it matters to a pod it turned down."""

    event: ClusterEvent
    hint: Hint | None = None


ASSIGNED_POD_ADD = ClusterEvent(ASSIGNED_POD, ADD)
ASSIGNED_POD_DELETE = ClusterEvent(ASSIGNED_POD, DELETE)
UNSCHEDULED_POD_ADD = ClusterEvent(UNSCHEDULED_POD, ADD)
UNSCHEDULABLE_TIMEOUT = ClusterEvent(WILDCARD, ALL, "UnschedulableTimeout")
FORCE_ACTIVATE = ClusterEvent(WILDCARD, ALL, "ForceActivate")
NODE_ADD = ClusterEvent(NODE, ADD)
NODE_DELETE = ClusterEvent(NODE, DELETE)


def pod_changes(new: Object, old: Object, *, target: bool) -> list[ClusterEvent]:
    """The events an update of a pod stands for; `target`: it is the waiting pod itself that changed."""
    resource = ASSIGNED_POD if new["spec"].get("nodeName") else TARGET_POD if target else UNSCHEDULED_POD
    actions = list(_pod_actions(new, old)) or [UPDATE]
    return [ClusterEvent(resource, action) for action in actions]


def _pod_actions(new: Object, old: Object) -> Iterable[int]:
    if labels_of(new) != labels_of(old):
        yield UPDATE_POD_LABEL
    if _requests_differ(new, old):
        now, before = pod_requests(new), pod_requests(old)
        if any(name not in now or now[name] < amount for name, amount in before.items()):
            yield UPDATE_POD_SCALE_DOWN
        if any(name not in before or before[name] < amount for name, amount in now.items()):
            yield UPDATE_POD_SCALE_UP
    if old["spec"].get("schedulingGates") and not new["spec"].get("schedulingGates"):
        yield UPDATE_POD_GATES_ELIMINATED
    if len(new["spec"].get("tolerations") or ()) != len(old["spec"].get("tolerations") or ()):
        yield UPDATE_POD_TOLERATION
    if _claim_statuses(new) != _claim_statuses(old):
        yield UPDATE_POD_GENERATED_CLAIM


def _requests_differ(new: Object, old: Object) -> bool:
    """Cheap: where neither the spec's generation nor container statuses' resources changed, requests did not."""
    if new["metadata"].get("generation") != old["metadata"].get("generation"):
        return True
    return status_resources(new) != status_resources(old)


def _claim_statuses(pod: Object) -> tuple[Any, Any]:
    status = pod.get("status") or {}
    return status.get("resourceClaimStatuses"), status.get("extendedResourceClaimStatus")


def node_changes(new: Object, old: Object) -> list[ClusterEvent]:
    """The events an update of a node stands for: none where nothing that matters to scheduling changed."""
    return [ClusterEvent(NODE, action) for action in _node_actions(new, old)]


def _node_actions(new: Object, old: Object) -> Iterable[int]:
    new_spec, old_spec = new.get("spec") or {}, old.get("spec") or {}
    new_status, old_status = new.get("status") or {}, old.get("status") or {}
    if old_spec.get("unschedulable") and not new_spec.get("unschedulable"):
        yield UPDATE_NODE_TAINT
    if new_status.get("allocatable") != old_status.get("allocatable"):
        yield UPDATE_NODE_ALLOCATABLE
    if labels_of(new) != labels_of(old):
        yield UPDATE_NODE_LABEL
    if (new_spec.get("taints") or []) != (old_spec.get("taints") or []):
        yield UPDATE_NODE_TAINT
    if _conditions(new_status) != _conditions(old_status):
        yield UPDATE_NODE_CONDITION
    if annotations_of(new) != annotations_of(old):
        yield UPDATE_NODE_ANNOTATION
    if (new_status.get("declaredFeatures") or []) != (old_status.get("declaredFeatures") or []):
        yield UPDATE_NODE_DECLARED_FEATURE


def _conditions(status: Object) -> dict[str, str]:
    return {c["type"]: c.get("status", "") for c in status.get("conditions") or ()}
