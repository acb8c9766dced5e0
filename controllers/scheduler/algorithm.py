"""Which node a pod goes to: filter, score, choose. Mirrors upstream schedule_one.go schedulePod.

It works on one snapshot, and lets others have the loop between groups of nodes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from apiserver.apimachinery.rand import Random
from controllers.scheduler.cache.snapshot import Snapshot
from controllers.scheduler.framework.interface import CycleState
from controllers.scheduler.framework.node_info import NodeInfo
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.profile import YIELD_EVERY, Profile
from controllers.scheduler.framework.status import UNRESOLVABLE, Diagnosis, FitError, NoNodesAvailable, Status
from controllers.scheduler.queue.nominator import nominated_node

MIN_FEASIBLE = 100  # nodes; with fewer in the cluster all are looked at
MIN_PERCENTAGE = 5


class SchedulingError(Exception):
    """A plugin failed: neither yes nor no."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.message)
        self.status = status


class Choice(NamedTuple):
    node: str
    evaluated: int
    feasible: int


def feasible_wanted(nodes: int, percentage: int) -> int:
    """How many feasible nodes are enough (upstream numFeasibleNodesToFind). 0 %: the larger the cluster, the smaller the share."""
    if nodes < MIN_FEASIBLE:
        return nodes
    share = percentage or max(50 - nodes // 125, MIN_PERCENTAGE)
    return max(nodes * share // 100, MIN_FEASIBLE)


class Algorithm:
    """Chooses nodes, one pod after another; remembers where the last search for feasible nodes stopped."""

    def __init__(self, snapshot: Snapshot, rand: Random, percentage: int) -> None:
        self._snapshot = snapshot
        self._rand = rand
        self._percentage = percentage
        self._next_start = 0

    async def choose(self, profile: Profile, state: CycleState, pod: PodInfo) -> Choice:
        """Raises FitError, NoNodesAvailable or SchedulingError."""
        total = len(self._snapshot)
        if total == 0:
            raise NoNodesAvailable
        diagnosis = Diagnosis()
        feasible = await self._feasible(profile, state, pod, diagnosis)
        if not feasible:
            raise FitError(total, diagnosis)
        evaluated = len(feasible) + len(diagnosis.nodes)
        if len(feasible) == 1:
            return Choice(feasible[0].name, evaluated, 1)
        return Choice(await self._best(profile, state, pod, feasible), evaluated, len(feasible))

    async def _best(self, profile: Profile, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> str:
        scores = await profile.score(state, pod, nodes)
        if isinstance(scores, Status):
            raise SchedulingError(scores)
        best = max(scores)
        tied = [node.name for node, score in zip(nodes, scores, strict=True) if score == best]
        return tied[0] if len(tied) == 1 else tied[self._rand.randrange(len(tied))]

    async def _feasible(
        self, profile: Profile, state: CycleState, pod: PodInfo, diagnosis: Diagnosis
    ) -> list[NodeInfo]:
        nodes = self._snapshot.nodes
        allowed, refusal, narrowing = profile.pre_filter(state, pod, nodes)
        diagnosis.unschedulable_plugins = dict(narrowing)
        if refusal is not None:
            if not refusal.rejected:
                raise SchedulingError(refusal)
            diagnosis.nodes.absent = refusal
            diagnosis.pre_filter_message = refusal.message
            diagnosis.add(refusal)
            return []
        if promised := await self._on_nominated(profile, state, pod, diagnosis):
            return promised
        if allowed is not None:
            nodes = [node for node in nodes if node.name in allowed]
            plugins = " ".join(sorted(narrowing))
            diagnosis.nodes.absent = Status(UNRESOLVABLE, f"node(s) didn't satisfy plugin(s) [{plugins}]")
        feasible = await self._passing(profile, state, pod, diagnosis, nodes)
        processed = len(feasible) + len(diagnosis.nodes)
        self._next_start = (self._next_start + processed) % len(self._snapshot)
        return feasible

    async def _on_nominated(
        self, profile: Profile, state: CycleState, pod: PodInfo, diagnosis: Diagnosis
    ) -> list[NodeInfo]:
        """A node promised to the pod is tried alone: it most likely is the only one."""
        name = nominated_node(pod.pod)
        node = self._snapshot.get(name) if name else None
        return await self._passing(profile, state, pod, diagnosis, [node]) if node is not None else []

    async def _passing(
        self, profile: Profile, state: CycleState, pod: PodInfo, diagnosis: Diagnosis, nodes: Sequence[NodeInfo]
    ) -> list[NodeInfo]:
        count = len(nodes)
        percentage = profile.percentage_of_nodes_to_score
        wanted = feasible_wanted(count, self._percentage if percentage is None else percentage)
        if not profile.has_score:
            wanted = 1
        start = self._next_start
        feasible: list[NodeInfo] = []
        for i in range(count):
            if i and i % YIELD_EVERY == 0:
                await asyncio.sleep(0)
            node = nodes[(start + i) % count]
            status = profile.filter_with_nominated(state, pod, node)
            if status is None:
                feasible.append(node)
                if len(feasible) >= wanted:
                    break
            elif status.rejected:
                diagnosis.nodes.set(node.name, status)
                diagnosis.add(status)
            else:
                raise SchedulingError(status)
        return feasible
