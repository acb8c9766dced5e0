"""Pods of a kind are spread over zones, hosts or what else a constraint names, evenly to within its skew."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from apiserver.apimachinery.labels import SelectorError
from apiserver.apimachinery.objects import Object, labels_of
from controllers.scheduler.framework import events
from controllers.scheduler.framework.events import ClusterEvent, EventHint
from controllers.scheduler.framework.interface import MAX_SCORE, CycleState, Handle
from controllers.scheduler.framework.node_info import NodeInfo
from controllers.scheduler.framework.pod_info import HOSTNAME, PodInfo
from controllers.scheduler.framework.status import SKIP, UNRESOLVABLE, UNSCHEDULABLE, Status, as_status
from controllers.scheduler.plugins import arguments
from controllers.scheduler.plugins.node_selectors import RequiredNodeAffinity
from controllers.scheduler.plugins.spread_constraints import (
    DO_NOT_SCHEDULE,
    SCHEDULE_ANYWAY,
    SYSTEM_DEFAULTS,
    Constraint,
    Matching,
    default_selector,
    has_all_keys,
    parsed,
)

_UNEVEN = Status(UNSCHEDULABLE, "node(s) didn't match pod topology spread constraints")
_NO_LABEL = Status(UNRESOLVABLE, "node(s) didn't match pod topology spread constraints (missing required label)")
_SKIP = Status(SKIP)


class _Hard:
    """Matching pods by constraint and topology value."""

    def __init__(self, constraints: Sequence[Constraint], counts: list[dict[str, int]], mine: list[int]) -> None:
        self.constraints = constraints
        self.counts = counts
        self.mine = mine  # 1 where the pod counts itself
        self._least: list[int | None] = [None] * len(counts)

    def clone(self) -> _Hard:
        return _Hard(self.constraints, [counts.copy() for counts in self.counts], self.mine)

    def least(self, i: int) -> int:
        """The fewest in any domain; 0 while there are fewer domains than wanted."""
        found = self._least[i]
        if found is None:
            counts = self.counts[i]
            few = len(counts) < self.constraints[i].min_domains
            found = self._least[i] = 0 if few else min(counts.values(), default=0)
        return found

    def change(self, i: int, value: str, by: int) -> None:
        self.counts[i][value] = self.counts[i].get(value, 0) + by
        self._least[i] = None


class _Soft:
    """As _Hard, for scores; `ignored` nodes lack a topology key, `weights` level out topologies of different size."""

    def __init__(self, constraints: Sequence[Constraint], namespace: str) -> None:
        self.constraints = constraints
        self.matching = [Matching(constraint.selector, namespace) for constraint in constraints]
        self.counts: list[dict[str, int]] = [{} for _ in constraints]
        self.weights: list[float] = []
        self.ignored: dict[str, None] = {}


class PodTopologySpread:
    """Arguments: `defaultingType` (System or List) and `defaultConstraints`."""

    name = "PodTopologySpread"
    argument_errors = staticmethod(arguments.SPREAD)

    def __init__(self, args: Mapping[str, Any], handle: Handle) -> None:
        self._system = (args.get("defaultingType") or "System") == "System"
        self._defaults = SYSTEM_DEFAULTS if self._system else tuple(args.get("defaultConstraints") or ())
        self._handle = handle

    def events(self) -> Sequence[EventHint]:
        assigned = events.ADD | events.UPDATE_POD_LABEL | events.DELETE
        target = events.UPDATE_POD_TOLERATION | events.UPDATE_POD_LABEL
        node = events.ADD | events.DELETE | events.UPDATE_NODE_LABEL | events.UPDATE_NODE_TAINT
        return (
            EventHint(ClusterEvent(events.ASSIGNED_POD, assigned), self._after_pod),
            EventHint(ClusterEvent(events.TARGET_POD, target), self._after_itself),
            EventHint(ClusterEvent(events.NODE, node), self._after_node),
        )

    def _constraints(self, pod: Object, action: str) -> list[Constraint]:
        """The pod's constraints, or the defaults with a selector that fits the pod. Raises SelectorError."""
        own = pod["spec"].get("topologySpreadConstraints")
        if own:
            return parsed(own, labels_of(pod), action)
        defaults = parsed(self._defaults, labels_of(pod), action)
        if not defaults:
            return []
        selector = default_selector(pod, self._handle.listers)
        return [] if selector.empty else [constraint._replace(selector=selector) for constraint in defaults]

    # Filter

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        try:
            constraints = self._constraints(pod.pod, DO_NOT_SCHEDULE)
        except SelectorError as error:
            return as_status(error)
        if not constraints:
            return _SKIP
        required = RequiredNodeAffinity(pod.pod)
        counts: list[dict[str, int]] = [{} for _ in constraints]
        asked = [(c, found, Matching(c.selector, pod.namespace)) for c, found in zip(constraints, counts, strict=True)]
        for node in nodes:
            if not has_all_keys(node.labels, constraints):
                continue
            for constraint, found, matching in asked:
                if constraint.counts_node(pod, node, required):
                    value = node.labels[constraint.topology_key]
                    found[value] = found.get(value, 0) + matching.on(node)
        mine = [int(constraint.selector.matches(pod.labels)) for constraint in constraints]
        state.data[self.name] = _Hard(constraints, counts, mine)
        return None

    def add_pod(self, state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo) -> Status | None:
        self._change(state.data[self.name], pod, added, node, 1)
        return None

    def remove_pod(self, state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo) -> Status | None:
        self._change(state.data[self.name], pod, removed, node, -1)
        return None

    def _change(self, hard: _Hard, pod: PodInfo, other: PodInfo, node: NodeInfo, by: int) -> None:
        if other.namespace != pod.namespace or not has_all_keys(node.labels, hard.constraints):
            return
        required = RequiredNodeAffinity(pod.pod)
        for i, constraint in enumerate(hard.constraints):
            if constraint.selector.matches(other.labels) and constraint.counts_node(pod, node, required):
                hard.change(i, node.labels[constraint.topology_key], by)

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        hard: _Hard = state.data[self.name]
        for i, constraint in enumerate(hard.constraints):
            value = node.labels.get(constraint.topology_key)
            if value is None:
                return _NO_LABEL
            if hard.counts[i].get(value, 0) + hard.mine[i] - hard.least(i) > constraint.max_skew:
                return _UNEVEN
        return None

    # Score

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        try:
            constraints = self._constraints(pod.pod, SCHEDULE_ANYWAY)
        except SelectorError as error:
            return as_status(error)
        if not constraints:
            return _SKIP
        # With the system's constraints nodes without a zone are still spread over by host.
        need_all = bool(pod.pod["spec"].get("topologySpreadConstraints")) or not self._system
        soft = _Soft(constraints, pod.namespace)
        self._domains(soft, nodes, need_all)
        self._count(soft, pod, need_all)
        state.data["PodTopologySpread/score"] = soft
        return None

    def _domains(self, soft: _Soft, nodes: Sequence[NodeInfo], need_all: bool) -> None:
        """Topology values that a candidate has; hosts are counted when they are scored."""
        zoned = [(i, c.topology_key) for i, c in enumerate(soft.constraints) if c.topology_key != HOSTNAME]
        for node in nodes:
            if need_all and not has_all_keys(node.labels, soft.constraints):
                soft.ignored[node.name] = None
                continue
            for i, key in zoned:
                soft.counts[i].setdefault(node.labels.get(key, ""), 0)
        for constraint, counts in zip(soft.constraints, soft.counts, strict=True):
            hosts = constraint.topology_key == HOSTNAME
            size = len(nodes) - len(soft.ignored) if hosts else len(counts)
            soft.weights.append(math.log(size + 2))

    def _count(self, soft: _Soft, pod: PodInfo, need_all: bool) -> None:
        required = RequiredNodeAffinity(pod.pod)
        asked = zip(soft.constraints, soft.counts, soft.matching, strict=True)
        zoned = [found for found in asked if found[0].topology_key != HOSTNAME]
        if not zoned:
            return
        for node in self._handle.snapshot.nodes:
            if need_all and not has_all_keys(node.labels, soft.constraints):
                continue
            for constraint, counts, matching in zoned:
                value = node.labels.get(constraint.topology_key, "")
                if value in counts and constraint.counts_node(pod, node, required):
                    counts[value] += matching.on(node)

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        soft: _Soft = state.data["PodTopologySpread/score"]
        if node.name in soft.ignored:
            return 0
        total = 0.0
        for i, constraint in enumerate(soft.constraints):
            value = node.labels.get(constraint.topology_key)
            if value is None:
                continue
            hosts = constraint.topology_key == HOSTNAME
            found = soft.matching[i].on(node) if hosts else soft.counts[i][value]
            total += found * soft.weights[i] + constraint.max_skew - 1
        return math.floor(total + 0.5)

    def normalize(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo], scores: list[int]) -> None:
        soft: _Soft = state.data["PodTopologySpread/score"]
        counted = [s for node, s in zip(nodes, scores, strict=True) if node.name not in soft.ignored]
        least, most = min(counted, default=0), max(counted, default=0)
        for i, node in enumerate(nodes):
            if node.name in soft.ignored:
                scores[i] = 0
            else:
                scores[i] = MAX_SCORE * (most + least - scores[i]) // most if most else MAX_SCORE

    # Hints

    def _after_itself(self, pod: Object, old: Any, new: Any) -> bool:
        constraints = self._constraints(pod, DO_NOT_SCHEDULE)
        tolerates_more = (new["spec"].get("tolerations") or []) != (old["spec"].get("tolerations") or [])
        if tolerates_more and any(constraint.honor_taints for constraint in constraints):
            return True
        return _match_changed(constraints, old, new)

    def _after_pod(self, pod: Object, old: Any, new: Any) -> bool:
        if any(other is not None and not _involved(other, pod) for other in (old, new)):
            return False
        constraints = self._constraints(pod, DO_NOT_SCHEDULE)
        if old is not None and new is not None:
            return _match_changed(constraints, old, new)
        return any(constraint.selector.matches(labels_of(new or old)) for constraint in constraints)

    def _after_node(self, pod: Object, old: Any, new: Any) -> bool:
        constraints = self._constraints(pod, DO_NOT_SCHEDULE)
        was = old is not None and has_all_keys(labels_of(old), constraints)
        now = new is not None and has_all_keys(labels_of(new), constraints)
        if old is None or new is None:
            return was or now
        if was != now:
            return True
        moved = any(labels_of(old).get(c.topology_key) != labels_of(new).get(c.topology_key) for c in constraints)
        return now and (moved or old["spec"].get("taints") != new["spec"].get("taints"))


def _involved(other: Object, pod: Object) -> bool:
    """Does it count: in the same namespace, on a node or promised one?"""
    on_node = other["spec"].get("nodeName") or (other.get("status") or {}).get("nominatedNodeName")
    return bool(on_node) and other["metadata"].get("namespace") == pod["metadata"].get("namespace")


def _match_changed(constraints: Sequence[Constraint], old: Object, new: Object) -> bool:
    if labels_of(old) == labels_of(new):
        return False
    return any(c.selector.matches(labels_of(old)) != c.selector.matches(labels_of(new)) for c in constraints)
