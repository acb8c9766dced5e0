"""A pod that names its node goes there or nowhere."""

from __future__ import annotations

from collections.abc import Sequence

from controllers.scheduler.framework.events import NODE_ADD, EventHint
from controllers.scheduler.framework.interface import CycleState, PreFilterResult
from controllers.scheduler.framework.node_info import NodeInfo
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.status import SKIP, UNRESOLVABLE, Status

_ELSEWHERE = Status(UNRESOLVABLE, "node(s) didn't match the requested node name")
_SKIP = Status(SKIP)


class NodeName:
    name = "NodeName"

    def events(self) -> Sequence[EventHint]:
        return (EventHint(NODE_ADD),)

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> PreFilterResult | Status:
        return PreFilterResult(frozenset((pod.node_name,))) if pod.node_name else _SKIP

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        return None if not pod.node_name or pod.node_name == node.name else _ELSEWHERE
