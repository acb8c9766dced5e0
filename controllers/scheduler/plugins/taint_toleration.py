"""Taints keep pods off that do not tolerate them; PreferNoSchedule only makes a node less welcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiserver.apimachinery.objects import Object
from controllers.scheduler.framework.events import (
    ADD,
    NODE,
    TARGET_POD,
    UPDATE_NODE_TAINT,
    UPDATE_POD_TOLERATION,
    ClusterEvent,
    EventHint,
)
from controllers.scheduler.framework.interface import CycleState, default_normalize
from controllers.scheduler.framework.node_info import NodeInfo
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.status import UNRESOLVABLE, Status
from controllers.scheduler.plugins.tolerations import all_tolerated, tolerated

_UNTOLERATED = Status(UNRESOLVABLE, "node(s) had untolerated taint(s)")
_FORBIDDING = ("NoSchedule", "NoExecute")


class TaintToleration:
    name = "TaintToleration"

    def events(self) -> Sequence[EventHint]:
        return (
            EventHint(ClusterEvent(NODE, ADD | UPDATE_NODE_TAINT), _tolerable_now),
            EventHint(ClusterEvent(TARGET_POD, UPDATE_POD_TOLERATION)),
        )

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        if not node.taints or all_tolerated(pod.pod["spec"].get("tolerations") or (), node.taints):
            return None
        return _UNTOLERATED

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        tolerations = pod.pod["spec"].get("tolerations") or ()
        state.data[self.name] = [t for t in tolerations if t.get("effect") in (None, "", "PreferNoSchedule")]
        return None

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        if not node.prefer_no_schedule:
            return 0
        tolerations = state.data[self.name]
        return sum(not tolerated(tolerations, taint) for taint in node.prefer_no_schedule)

    def normalize(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo], scores: list[int]) -> None:
        default_normalize(scores, reverse=True)


def _tolerable_now(pod: Object, old: Any, new: Any) -> bool:
    tolerations = pod["spec"].get("tolerations") or ()
    was = old is not None and all_tolerated(tolerations, _forbidding(old))
    return not was and all_tolerated(tolerations, _forbidding(new))


def _forbidding(node: Object) -> list[dict[str, Any]]:
    return [t for t in (node.get("spec") or {}).get("taints") or () if t.get("effect") in _FORBIDDING]
