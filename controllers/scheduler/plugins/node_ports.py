"""Host ports: two pods on a node cannot have the same one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiserver.apimachinery.objects import Object
from controllers.scheduler.framework.events import ASSIGNED_POD, DELETE, NODE_ADD, ClusterEvent, EventHint
from controllers.scheduler.framework.interface import CycleState
from controllers.scheduler.framework.node_info import NodeInfo
from controllers.scheduler.framework.pod_info import PodInfo, host_ports, ports_conflict
from controllers.scheduler.framework.status import SKIP, UNSCHEDULABLE, Status

_TAKEN = Status(UNSCHEDULABLE, "node(s) didn't have free ports for the requested pod ports")
_SKIP = Status(SKIP)


class NodePorts:
    name = "NodePorts"

    def events(self) -> Sequence[EventHint]:
        return (EventHint(ClusterEvent(ASSIGNED_POD, DELETE), _freed), EventHint(NODE_ADD))

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        return None if pod.ports else _SKIP

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        return _TAKEN if ports_conflict(pod.ports, node.ports) else None


def _freed(pod: Object, old: Any, new: Any) -> bool:
    """Did the pod that went hold a port that this one wants?"""
    if not old["spec"].get("nodeName") and not (old.get("status") or {}).get("nominatedNodeName"):
        return False
    used: dict[tuple[str, int], dict[str, int]] = {}
    for address, protocol, number in host_ports(old):
        used.setdefault((protocol, number), {})[address] = 1
    return ports_conflict(host_ports(pod), used)
