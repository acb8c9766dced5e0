"""A cordoned node takes only pods that tolerate it."""

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
from controllers.scheduler.framework.interface import CycleState
from controllers.scheduler.framework.node_info import NodeInfo
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.status import UNRESOLVABLE, Status
from controllers.scheduler.plugins.tolerations import UNSCHEDULABLE_TAINT, tolerated

_CORDONED = Status(UNRESOLVABLE, "node(s) were unschedulable")


class NodeUnschedulable:
    name = "NodeUnschedulable"

    def events(self) -> Sequence[EventHint]:
        return (
            EventHint(ClusterEvent(NODE, ADD | UPDATE_NODE_TAINT), _uncordoned),
            EventHint(ClusterEvent(TARGET_POD, UPDATE_POD_TOLERATION), _tolerates_now),
        )

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        if not node.unschedulable or tolerated(pod.pod["spec"].get("tolerations") or (), UNSCHEDULABLE_TAINT):
            return None
        return _CORDONED


def _uncordoned(pod: Object, old: Any, new: Any) -> bool:
    was = old is None or bool((old.get("spec") or {}).get("unschedulable"))
    return was and not (new.get("spec") or {}).get("unschedulable")


def _tolerates_now(pod: Object, old: Any, new: Any) -> bool:
    return tolerated(new["spec"].get("tolerations") or (), UNSCHEDULABLE_TAINT)
