"""Nodes whose resources are used evenly are better: the score says whether the pod makes that better or worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from controllers.scheduler.framework.interface import CycleState, Handle
from controllers.scheduler.framework.node_info import NodeInfo, number_of
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.status import SKIP, Status
from controllers.scheduler.plugins import arguments
from controllers.scheduler.plugins import resource_scores as scores

_SKIP = Status(SKIP)


class NodeResourcesBalancedAllocation:
    name = "NodeResourcesBalancedAllocation"
    argument_errors = staticmethod(arguments.BALANCED)

    def __init__(self, args: Mapping[str, Any], handle: Handle) -> None:
        resources = scores.resources_of(args.get("resources")) or list(scores.DEFAULT_RESOURCES)
        self._names = [name for name, _ in resources]

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        wanted = scores.pod_amounts(pod, self._names, non_zero=False)
        if not any(wanted):  # best effort pods would all go to the same node
            return _SKIP
        state.data[self.name] = (number_of((self, *wanted)), partial(self._score, wanted))
        return None

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        """The same for pods that want the same, as long as nothing on the node changes."""
        question, answer = state.data[self.name]
        return node.remember(question, answer)  # type: ignore[no-any-return]

    def _score(self, wanted: Sequence[int], node: NodeInfo) -> int:
        return scores.balanced(*scores.node_amounts(node, wanted, self._names, non_zero=False))
