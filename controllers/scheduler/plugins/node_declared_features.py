"""Pods that need a feature not every node has go to nodes that declare it (upstream component-helpers/nodedeclaredfeatures)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from apiserver.apimachinery.objects import Object
from controllers.scheduler.framework import events
from controllers.scheduler.framework.events import ClusterEvent, EventHint
from controllers.scheduler.framework.interface import CycleState
from controllers.scheduler.framework.node_info import NodeInfo
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.status import SKIP, UNRESOLVABLE, Status

_MISSING = Status(UNRESOLVABLE, "node(s) didn't match Pod's required features")
_SKIP = Status(SKIP)


class NodeDeclaredFeatures:
    name = "NodeDeclaredFeatures"

    def events(self) -> Sequence[EventHint]:
        node = events.ADD | events.UPDATE_NODE_DECLARED_FEATURE
        return (
            EventHint(ClusterEvent(events.NODE, node), _declares_other),
            EventHint(ClusterEvent(events.TARGET_POD, events.UPDATE), _needs_other),
        )

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        needed = list(needed_features(pod.pod))
        if not needed:
            return _SKIP
        state.data[self.name] = needed
        return None

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        declared = _declared(node.node or {})
        return None if all(feature in declared for feature in state.data[self.name]) else _MISSING


def needed_features(pod: Object) -> Iterator[str]:
    """The features a pod needs of its node; each once."""
    spec = pod["spec"]
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    rules = (rule for container in containers for rule in container.get("restartPolicyRules") or ())
    if any(rule.get("action") == "RestartAllContainers" for rule in rules):
        yield "RestartAllContainersOnContainerExits"
    if spec.get("hostNetwork") and spec.get("hostUsers") is False:
        yield "UserNamespacesHostNetworkSupport"
    mounts = (mount for container in containers for mount in container.get("volumeMounts") or ())
    if any(mount.get("bindMountOptions") for mount in mounts):
        yield "VolumeBindMountOptions"


def _declared(node: Object) -> list[str]:
    return (node.get("status") or {}).get("declaredFeatures") or []


def _declares_other(pod: Object, old: Any, new: Any) -> bool:
    return old is None or _declared(old) != _declared(new)


def _needs_other(pod: Object, old: Any, new: Any) -> bool:
    return list(needed_features(old)) != list(needed_features(new))
