"""Pods near those they like and far from those they do not, in the topology their terms name.

What is counted on a node is remembered with the node: a decision counts anew only where pods came or went.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from apiserver.apimachinery.objects import Object, labels_of
from controllers.framework import kinds
from controllers.scheduler.framework import events
from controllers.scheduler.framework.events import ClusterEvent, EventHint
from controllers.scheduler.framework.interface import MAX_SCORE, CycleState, Handle
from controllers.scheduler.framework.node_info import NodeInfo, number_of
from controllers.scheduler.framework.pod_info import NOTHING, AffinityTerm, PodInfo, WeightedTerm
from controllers.scheduler.framework.status import SKIP, UNRESOLVABLE, UNSCHEDULABLE, Status
from controllers.scheduler.plugins import arguments

_NO_FRIEND = Status(UNRESOLVABLE, "node(s) didn't match pod affinity rules")
_ENEMY = Status(UNSCHEDULABLE, "node(s) didn't match pod anti-affinity rules")
_UNWELCOME = Status(UNSCHEDULABLE, "node(s) didn't satisfy existing pods anti-affinity rules")
_SKIP = Status(SKIP)

Terms = tuple[AffinityTerm, ...]
Counts = dict[tuple[str, str], int]  # (topology key, value) → pods


class _Required:
    """`friends`, `enemies`: pods that match the pod's own terms; `hostile`: terms of others that the pod matches."""

    def __init__(self, pod: PodInfo, namespace_labels: dict[str, str], affinity: Terms, anti_affinity: Terms) -> None:
        self.pod = pod
        self.namespace_labels = namespace_labels
        self.affinity = affinity
        self.anti_affinity = anti_affinity
        self.friends: Counts = {}
        self.enemies: Counts = {}
        self.hostile: Counts = {}

    def clone(self) -> _Required:
        made = _Required(self.pod, self.namespace_labels, self.affinity, self.anti_affinity)
        made.friends, made.enemies, made.hostile = self.friends.copy(), self.enemies.copy(), self.hostile.copy()
        return made

    def change(self, other: PodInfo, node: NodeInfo, by: int) -> None:
        for term in other.anti_affinity:
            if _matches(term, self.pod, self.namespace_labels):
                _count(self.hostile, node, term.topology_key, by)
        if matches_all(self.affinity, other):
            for term in self.affinity:
                _count(self.friends, node, term.topology_key, by)
        for term in self.anti_affinity:
            if _matches(term, other, {}):
                _count(self.enemies, node, term.topology_key, by)


class InterPodAffinity:
    """Arguments: `hardPodAffinityWeight`, `ignorePreferredTermsOfExistingPods`."""

    name = "InterPodAffinity"
    argument_errors = staticmethod(arguments.INTER_POD_AFFINITY)

    def __init__(self, args: Mapping[str, Any], handle: Handle) -> None:
        self._hard_weight: int = args.get("hardPodAffinityWeight", 1)
        self._ignore_preferred = bool(args.get("ignorePreferredTermsOfExistingPods"))
        self._handle = handle

    def events(self) -> Sequence[EventHint]:
        assigned = events.ADD | events.UPDATE_POD_LABEL | events.DELETE
        return (
            EventHint(ClusterEvent(events.ASSIGNED_POD, assigned), _after_pod),
            EventHint(ClusterEvent(events.TARGET_POD, events.UPDATE_POD_LABEL)),
            EventHint(ClusterEvent(events.NODE, events.ADD | events.UPDATE_NODE_LABEL), _after_node),
        )

    def _resolved(self, terms: Terms) -> Terms:
        """A pod's own terms with the namespaces their selectors find now; an empty selector still means all."""
        return tuple(self._resolve(term) for term in terms) if terms else terms

    def _resolve(self, term: AffinityTerm) -> AffinityTerm:
        if term.namespace_selector is NOTHING or term.namespace_selector.empty:
            return term
        found = self._handle.listers.list(kinds.NAMESPACES)
        meant = [n["metadata"]["name"] for n in found if term.namespace_selector.matches(labels_of(n))]
        return term._replace(namespaces=term.namespaces | frozenset(meant), namespace_selector=NOTHING)

    # Filter

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        hating = self._handle.snapshot.with_anti_affinity
        if not hating and not pod.affinity and not pod.anti_affinity:
            return _SKIP
        namespace_labels = self._handle.namespace_labels(pod.namespace)
        required = _Required(pod, namespace_labels, self._resolved(pod.affinity), self._resolved(pod.anti_affinity))
        self._count_hostile(required, hating)
        self._count_own(required, nodes)
        if not required.hostile and not pod.affinity and not pod.anti_affinity:
            return _SKIP
        state.data[self.name] = required
        return None

    def _count_hostile(self, required: _Required, nodes: Sequence[NodeInfo]) -> None:
        if not nodes:
            return
        pod, namespace_labels = required.pod, required.namespace_labels

        def count(node: NodeInfo) -> dict[str, int]:
            found: dict[str, int] = {}
            for other in node.anti_affinity_pods.values():
                for term in other.anti_affinity:
                    if _matches(term, pod, namespace_labels):
                        found[term.topology_key] = found.get(term.topology_key, 0) + 1
            return found

        question = number_of(("hostile", *_identity(pod, namespace_labels)))
        for node in nodes:
            for key, number in node.remember(question, count).items():
                _count(required.hostile, node, key, number)

    def _count_own(self, required: _Required, nodes: Sequence[NodeInfo]) -> None:
        affinity, anti_affinity = required.affinity, required.anti_affinity

        def friends(node: NodeInfo) -> int:
            return sum(matches_all(affinity, other) for other in node.pods.values())

        if affinity:
            question = number_of(("friends", affinity))
            for node in nodes:
                if found := node.remember(question, friends):
                    for term in affinity:
                        _count(required.friends, node, term.topology_key, found)
        for term in anti_affinity:
            question = number_of(("enemies", term))
            for node in nodes:
                if found := node.remember(question, partial(_number, term)):
                    _count(required.enemies, node, term.topology_key, found)

    def add_pod(self, state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo) -> Status | None:
        state.data[self.name].change(added, node, 1)
        return None

    def remove_pod(self, state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo) -> Status | None:
        state.data[self.name].change(removed, node, -1)
        return None

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        required: _Required = state.data[self.name]
        if required.affinity and not _has_friends(required, node):
            return _NO_FRIEND
        node_labels = node.labels
        for term in required.anti_affinity:
            value = node_labels.get(term.topology_key)
            if value is not None and required.enemies.get((term.topology_key, value), 0) > 0:
                return _ENEMY
        if required.hostile and any(node_labels.get(key) == value for key, value in required.hostile):
            return _UNWELCOME
        return None

    # Score

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        preferring = bool(pod.preferred_affinity or pod.preferred_anti_affinity)
        if self._ignore_preferred and not preferring:
            return _SKIP
        looked_at = self._handle.snapshot.nodes if preferring else self._handle.snapshot.with_affinity
        if not looked_at:
            return _SKIP
        scores = self._topology_scores(pod, looked_at, preferring)
        if not scores:
            return _SKIP
        state.data["InterPodAffinity/score"] = scores
        return None

    def _topology_scores(self, pod: PodInfo, nodes: Sequence[NodeInfo], preferring: bool) -> dict[str, dict[str, int]]:
        """By topology key and value, how much the pods there speak for it."""
        namespace_labels = self._handle.namespace_labels(pod.namespace)
        near = tuple((self._resolve(w.term), w.weight) for w in pod.preferred_affinity)
        far = tuple((self._resolve(w.term), -w.weight) for w in pod.preferred_anti_affinity)

        def count(node: NodeInfo) -> dict[str, int]:
            found: dict[str, int] = {}
            for other in (node.pods if preferring else node.affinity_pods).values():
                self._weigh(found, pod, namespace_labels, other, (*near, *far))
            return found

        question = number_of(("preferred", self._hard_weight, near, far, *_identity(pod, namespace_labels)))
        scores: dict[str, dict[str, int]] = {}
        for node in nodes:
            for key, weight in node.remember(question, count).items():
                value = node.labels.get(key)
                if value is not None:
                    values = scores.setdefault(key, {})
                    values[value] = values.get(value, 0) + weight
        return scores

    def _weigh(
        self,
        found: dict[str, int],
        pod: PodInfo,
        namespace_labels: dict[str, str],
        other: PodInfo,
        own: Sequence[tuple[AffinityTerm, int]],
    ) -> None:
        for term, weight in own:
            if _matches(term, other, {}):
                found[term.topology_key] = found.get(term.topology_key, 0) + weight
        theirs = [
            *((WeightedTerm(term, self._hard_weight) for term in other.affinity) if self._hard_weight else ()),
            *other.preferred_affinity,
            *(WeightedTerm(term, -weight) for term, weight in other.preferred_anti_affinity),
        ]
        for term, weight in theirs:
            if _matches(term, pod, namespace_labels):
                found[term.topology_key] = found.get(term.topology_key, 0) + weight

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        scores: dict[str, dict[str, int]] = state.data["InterPodAffinity/score"]
        return sum(values.get(node.labels[key], 0) for key, values in scores.items() if key in node.labels)

    def normalize(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo], scores: list[int]) -> None:
        least, most = min(scores, default=0), max(scores, default=0)
        span = most - least
        scores[:] = [int(MAX_SCORE * ((score - least) / span)) if span else 0 for score in scores]


def _identity(pod: PodInfo, namespace_labels: dict[str, str]) -> tuple[Any, ...]:
    """All of a pod that other pods' terms look at."""
    return pod.namespace, frozenset(pod.labels.items()), frozenset(namespace_labels.items())


def _matches(term: AffinityTerm, pod: PodInfo, namespace_labels: dict[str, str]) -> bool:
    """Own terms are resolved (no labels of namespaces are needed); others' are held against the labels given."""
    return term.matches(pod, lambda _: namespace_labels)


def matches_all(terms: Terms, pod: PodInfo) -> bool:
    """Does the pod match every term? None at all: no."""
    return bool(terms) and all(_matches(term, pod, {}) for term in terms)


def _number(term: AffinityTerm, node: NodeInfo) -> int:
    return sum(_matches(term, other, {}) for other in node.pods.values())


def _count(counts: Counts, node: NodeInfo, key: str, by: int) -> None:
    value = node.labels.get(key)
    if value is None:
        return
    number = counts.get((key, value), 0) + by
    if number:
        counts[(key, value)] = number
    else:
        counts.pop((key, value), None)


def _has_friends(required: _Required, node: NodeInfo) -> bool:
    """In every topology of the terms; the first of a group that likes itself may begin anywhere."""
    lonely = False
    for term in required.affinity:
        value = node.labels.get(term.topology_key)
        if value is None:
            return False
        if required.friends.get((term.topology_key, value), 0) <= 0:
            lonely = True
    return not lonely or (not required.friends and matches_all(required.affinity, required.pod))


def _on_node(pod: Object) -> bool:
    return bool(pod["spec"].get("nodeName") or (pod.get("status") or {}).get("nominatedNodeName"))


def _after_pod(pod: Object, old: Any, new: Any) -> bool:
    if any(other is not None and not _on_node(other) for other in (old, new)):
        return False
    waiting = PodInfo(pod)
    before = PodInfo(old) if old is not None else None
    after = PodInfo(new) if new is not None else None
    if after is not None and before is not None:
        if not matches_all(waiting.affinity, before) and matches_all(waiting.affinity, after):
            return True
        return _any(waiting.anti_affinity, before) and not _any(waiting.anti_affinity, after)
    if after is not None:
        return matches_all(waiting.affinity, after)
    return before is not None and (_any(waiting.anti_affinity, before) or _any(before.anti_affinity, waiting))


def _any(terms: Terms, pod: PodInfo) -> bool:
    return any(_matches(term, pod, {}) for term in terms)


def _after_node(pod: Object, old: Any, new: Any) -> bool:
    waiting = PodInfo(pod)
    now, was = labels_of(new), labels_of(old) if old is not None else {}
    for key in (term.topology_key for term in waiting.affinity):
        if key in now and now[key] != was.get(key):
            return True
    if old is None:
        return bool(waiting.anti_affinity)
    return any(key in was and was[key] != now.get(key) for key in (t.topology_key for t in waiting.anti_affinity))
