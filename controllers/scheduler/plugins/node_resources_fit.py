"""A node must have what a pod requests; how full that leaves it is its score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from apiserver.apimachinery.objects import Object
from controllers.scheduler.framework.events import (
    ADD,
    ASSIGNED_POD,
    DELETE,
    NODE,
    TARGET_POD,
    UPDATE_NODE_ALLOCATABLE,
    UPDATE_POD_SCALE_DOWN,
    ClusterEvent,
    EventHint,
)
from controllers.scheduler.framework.interface import CycleState, Handle
from controllers.scheduler.framework.node_info import NodeInfo, number_of
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.resources import PODS, Resource, amounts, is_extended, pod_requests
from controllers.scheduler.framework.status import UNRESOLVABLE, UNSCHEDULABLE, Status
from controllers.scheduler.plugins import arguments
from controllers.scheduler.plugins import resource_scores as scores


class NodeResourcesFit:
    """Arguments: `scoringStrategy`, `ignoredResources`, `ignoredResourceGroups`."""

    name = "NodeResourcesFit"
    argument_errors = staticmethod(arguments.FIT)

    def __init__(self, args: Mapping[str, Any], handle: Handle) -> None:
        self._ignored = frozenset(args.get("ignoredResources") or ())
        self._ignored_groups = frozenset(args.get("ignoredResourceGroups") or ())
        strategy = args.get("scoringStrategy") or {}
        resources = scores.resources_of(strategy.get("resources")) or list(scores.DEFAULT_RESOURCES)
        self._names = [name for name, _ in resources]
        self._scorer = _scorer(strategy, [weight for _, weight in resources])

    def events(self) -> Sequence[EventHint]:
        return (
            EventHint(ClusterEvent(ASSIGNED_POD, DELETE), _was_on_a_node),
            EventHint(ClusterEvent(NODE, ADD | UPDATE_NODE_ALLOCATABLE), _fits_now),
            EventHint(ClusterEvent(ASSIGNED_POD, UPDATE_POD_SCALE_DOWN), _wanted_shrank),
            EventHint(ClusterEvent(TARGET_POD, UPDATE_POD_SCALE_DOWN)),
        )

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        """The common case, that all fits, costs four comparisons."""
        allocatable, used, wanted = node.allocatable, node.requested, pod.requests
        if (
            len(node.pods) < allocatable.pods
            and wanted.cpu <= allocatable.cpu - used.cpu
            and wanted.memory <= allocatable.memory - used.memory
            and not wanted.ephemeral_storage
            and not wanted.scalars
        ):
            return None
        return self._refusal(wanted, node)

    def _refusal(self, wanted: Resource, node: NodeInfo) -> Status | None:
        reasons, hopeless = insufficient(wanted, node, self._is_ignored)
        if not reasons:
            return None
        return Status(UNRESOLVABLE if hopeless else UNSCHEDULABLE, *reasons)

    def _is_ignored(self, name: str) -> bool:
        if not is_extended(name):
            return False
        return name in self._ignored or name.partition("/")[0] in self._ignored_groups

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        wanted = scores.pod_amounts(pod, self._names, non_zero=True)
        state.data[self.name] = (number_of((self, *wanted)), partial(self._score, wanted))
        return None

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        """The same for pods that want the same, as long as nothing on the node changes."""
        question, answer = state.data[self.name]
        return node.remember(question, answer)  # type: ignore[no-any-return]

    def _score(self, wanted: Sequence[int], node: NodeInfo) -> int:
        return self._scorer(*scores.node_amounts(node, wanted, self._names, non_zero=True))


def _scorer(strategy: Mapping[str, Any], weights: Sequence[int]) -> scores.Scorer:
    kind = strategy.get("type") or "LeastAllocated"
    if kind == "LeastAllocated":
        return scores.least_allocated(weights)
    if kind == "MostAllocated":
        return scores.most_allocated(weights)
    return scores.requested_to_capacity_ratio(weights, strategy["requestedToCapacityRatio"]["shape"])


def insufficient(wanted: Resource, node: NodeInfo, ignored: Any = lambda name: False) -> tuple[list[str], bool]:
    """What the node lacks, in upstream's words, and whether it would lack it even when empty."""
    reasons: list[str] = []
    hopeless = False
    if len(node.pods) + 1 > node.allocatable.pods:
        reasons.append("Too many pods")
    native = ("cpu", "memory", "ephemeral-storage")
    for name in (*native, *wanted.scalars):
        amount = wanted.get(name)
        if amount == 0 or ignored(name):
            continue
        capacity = node.allocatable.get(name)
        if amount > capacity - node.requested.get(name):
            reasons.append(f"Insufficient {name}")
            hopeless = hopeless or amount > capacity
    return reasons, hopeless


def _was_on_a_node(pod: Object, old: Any, new: Any) -> bool:
    return bool(old["spec"].get("nodeName") or (old.get("status") or {}).get("nominatedNodeName"))


def _wanted_shrank(pod: Object, old: Any, new: Any) -> bool:
    """Did a bound pod give up some of what this one wants?"""
    before, now = pod_requests(old), pod_requests(new)
    return any(before.get(name, 0) > now.get(name, 0) for name, amount in pod_requests(pod).items() if amount)


def _fits_now(pod: Object, old: Any, new: Any) -> bool:
    """Would the pod fit the node if it were empty, and did the node grow in what the pod wants?"""
    wanted = Resource(pod_requests(pod))
    node = NodeInfo()
    node.set_node(new)
    if insufficient(wanted, node)[0]:
        return False
    if old is None:
        return True
    now, before = _allocatable(new), _allocatable(old)
    grown = [name for name, amount in now.items() if amount > before.get(name, 0)]
    return PODS in grown or any(wanted.get(name) > 0 for name in grown)


def _allocatable(node: Object) -> dict[str, int]:
    return amounts((node.get("status") or {}).get("allocatable"))
