"""Node selectors and node affinity: which nodes a pod must, and would rather, run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apiserver.apimachinery.labels import SelectorError
from apiserver.apimachinery.objects import Object
from controllers.scheduler.framework.events import ADD, NODE, UPDATE_NODE_LABEL, ClusterEvent, EventHint
from controllers.scheduler.framework.interface import CycleState, Handle, PreFilterResult, default_normalize
from controllers.scheduler.framework.node_info import NodeInfo
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.status import SKIP, UNRESOLVABLE, Status, as_status
from controllers.scheduler.plugins import arguments
from controllers.scheduler.plugins.node_selectors import (
    NodeSelector,
    PreferredTerms,
    RequiredNodeAffinity,
    preferred_terms,
    required_terms,
)

_NO_MATCH = Status(UNRESOLVABLE, "node(s) didn't match Pod's node affinity/selector")
_ENFORCED = Status(UNRESOLVABLE, "node(s) didn't match scheduler-enforced node affinity")
_CONFLICT = Status(UNRESOLVABLE, "pod affinity terms conflict")
_SKIP = Status(SKIP)


class NodeAffinity:
    """`addedAffinity` in its arguments holds for every pod of the profile. Raises ValueError when that cannot be read."""

    name = "NodeAffinity"
    argument_errors = staticmethod(arguments.NODE_AFFINITY)

    def __init__(self, args: Mapping[str, Any], handle: Handle) -> None:
        added = args.get("addedAffinity") or {}
        required = added.get("requiredDuringSchedulingIgnoredDuringExecution")
        preferred = added.get("preferredDuringSchedulingIgnoredDuringExecution")
        self._added = NodeSelector(required, strict=True) if required else None
        self._added_preferred = PreferredTerms(preferred) if preferred else None

    def events(self) -> Sequence[EventHint]:
        return (EventHint(ClusterEvent(NODE, ADD | UPDATE_NODE_LABEL), self._matches_now),)

    def _matches_now(self, pod: Object, old: Any, new: Any) -> bool:
        meta = new["metadata"]
        if self._added is not None and not self._added.matches(meta["name"], meta.get("labels") or {}):
            return False
        required = RequiredNodeAffinity(pod)
        return required.matches_node(new) and (old is None or not required.matches_node(old))

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> PreFilterResult | Status | None:
        required = RequiredNodeAffinity(pod.pod)
        if required.trivial and self._added is None:
            return _SKIP
        state.data[self.name] = required
        named = _named_nodes((required_terms(pod.pod) or {}).get("nodeSelectorTerms") or ())
        if named is None:
            return None
        return PreFilterResult(named) if named else _CONFLICT

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        if self._added is not None and not self._added.matches(node.name, node.labels):
            return _ENFORCED
        return None if state.data[self.name].matches(node.name, node.labels) else _NO_MATCH

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        try:
            preferred = preferred_terms(pod.pod)
        except SelectorError as error:
            return as_status(error)
        if preferred is None and self._added_preferred is None:
            return _SKIP
        state.data["NodeAffinity/score"] = [p for p in (preferred, self._added_preferred) if p is not None]
        return None

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        return sum(terms.score(node.name, node.labels) for terms in state.data["NodeAffinity/score"])

    def normalize(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo], scores: list[int]) -> None:
        default_normalize(scores, reverse=False)


def _named_nodes(terms: Sequence[Mapping[str, Any]]) -> frozenset[str] | None:
    """The nodes that the terms name by metadata.name; None when one of them names none: any node may match then."""
    named: set[str] = set()
    for term in terms:
        fields = [
            set(e.get("values") or ())
            for e in term.get("matchFields") or ()
            if e.get("key") == "metadata.name" and e.get("operator") == "In"
        ]
        if not fields:
            return None
        named |= set.intersection(*fields)
    return frozenset(named) if terms else None
