"""Makes room for a pod that fits nowhere by choosing, on one node, the fewest and least important pods to delete.

Mirrors upstream plugins/defaultpreemption and framework/preemption: disruption budgets are spared where another node does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from apiserver.apimachinery import labels
from apiserver.apimachinery.clock import parse_rfc3339
from apiserver.apimachinery.objects import Object
from controllers.framework import kinds
from controllers.scheduler.framework.events import ASSIGNED_POD_DELETE, EventHint
from controllers.scheduler.framework.interface import CycleState, Handle, PluginRunner, PostFilterResult
from controllers.scheduler.framework.node_info import NodeInfo
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.status import (
    SUCCESS,
    UNRESOLVABLE,
    UNSCHEDULABLE,
    Diagnosis,
    FitError,
    NodeStatuses,
    Status,
)
from controllers.scheduler.plugins import arguments
from controllers.scheduler.plugins.preemption_executor import PreemptionExecutor, terminating_by_preemption
from controllers.scheduler.queue.nominator import Nominating, nominated_node

_NOT_HELPFUL = Status(UNRESOLVABLE, "Preemption is not helpful for scheduling")
_NO_VICTIMS = Status(UNRESOLVABLE, "No preemption victims found for incoming pod")
_RUNNING = Status(UNRESOLVABLE, "waiting for the preemption for this pod to be finished")


class Candidate(NamedTuple):
    """A node and whom to delete there, the most important first."""

    node: str
    victims: tuple[PodInfo, ...]
    violations: int


class DefaultPreemption:
    """Arguments: `minCandidateNodesPercentage`, `minCandidateNodesAbsolute`: how many candidates are enough."""

    name = "DefaultPreemption"
    argument_errors = staticmethod(arguments.PREEMPTION)

    def __init__(self, args: Mapping[str, Any], handle: Handle) -> None:
        self._percentage: int = args.get("minCandidateNodesPercentage", 10)
        self._absolute: int = args.get("minCandidateNodesAbsolute", 100)
        self._handle = handle
        self._executor = PreemptionExecutor(self.name, handle)

    def events(self) -> Sequence[EventHint]:
        # A preemptor is woken by the plugins that turned it down; this one only keeps it gated meanwhile.
        return (EventHint(ASSIGNED_POD_DELETE, lambda pod, old, new: False),)

    def pre_enqueue(self, pod: PodInfo) -> Status | None:
        return _RUNNING if self._executor.running(pod.uid) else None

    async def post_filter(
        self, state: CycleState, pod: PodInfo, statuses: NodeStatuses
    ) -> tuple[PostFilterResult | None, Status | None]:
        result, status = await self._preempt(state, pod, statuses)
        return result, Status(status.code, f"preemption: {status.message}", error=status.error)

    async def _preempt(
        self, state: CycleState, pod: PodInfo, statuses: NodeStatuses
    ) -> tuple[PostFilterResult | None, Status]:
        if why := self._ineligible(pod, statuses):
            return None, Status(UNSCHEDULABLE, why)
        diagnosis = Diagnosis()
        candidates = await self._candidates(state, pod, statuses, diagnosis.nodes)
        if not candidates:
            diagnosis.nodes.absent = _NOT_HELPFUL
            why = str(FitError(len(self._handle.snapshot), diagnosis))
            return PostFilterResult(Nominating("")), Status(UNSCHEDULABLE, why)
        best = select_candidate(candidates, self._handle.clock.now())
        self._executor.start(pod, best.node, best.victims)
        found = f"found a potential placement for pod on node {best.node}, preempting {len(best.victims)} victims"
        return PostFilterResult(Nominating(best.node)), Status(SUCCESS, found)

    def _ineligible(self, pod: PodInfo, statuses: NodeStatuses) -> str:
        if pod.pod["spec"].get("preemptionPolicy") == "Never":
            return "not eligible due to preemptionPolicy=Never."
        name = nominated_node(pod.pod)
        if not name or statuses.get(name).code == UNRESOLVABLE:
            return ""
        node = self._handle.snapshot.get(name)
        others = node.pods.values() if node is not None else ()
        if any(other.priority < pod.priority and terminating_by_preemption(other.pod) for other in others):
            return "not eligible due to a terminating pod on the nominated node."
        return ""

    async def _candidates(
        self, state: CycleState, pod: PodInfo, statuses: NodeStatuses, why: NodeStatuses
    ) -> list[Candidate]:
        """Those that spare every budget first. Looked for from a random node on, until there are enough."""
        nodes = [node for node in self._handle.snapshot.nodes if statuses.get(node.name).code == UNSCHEDULABLE]
        if not nodes:
            return []
        wanted = min(max(len(nodes) * self._percentage // 100, self._absolute), len(nodes))
        budgets = Budgets(self._handle.listers.list(kinds.POD_DISRUPTION_BUDGETS))
        start = self._handle.rand.randrange(len(nodes))
        sparing: list[Candidate] = []
        violating: list[Candidate] = []
        for i in range(len(nodes)):
            node = nodes[(start + i) % len(nodes)]
            found = self._dry_run(state.clone(), pod, node.copy(), budgets)
            if isinstance(found, Status):
                why.set(node.name, found)
            else:
                (violating if found.violations else sparing).append(found)
                if sparing and len(sparing) + len(violating) >= wanted:
                    break
            await asyncio.sleep(0)  # a node full of pods takes up to a millisecond
        return [*sparing, *violating]

    def _dry_run(self, state: CycleState, pod: PodInfo, node: NodeInfo, budgets: Budgets) -> Candidate | Status:
        """Take all lesser pods off the node in thought, then put back, the most important first, all that can stay."""
        runner = self._handle.runner
        assert runner is not None
        lesser = [other for other in node.pods.values() if other.priority < pod.priority]
        if not lesser:
            return _NO_VICTIMS
        for victim in lesser:
            _take_off(runner, state, pod, victim, node)
        status = runner.filter_with_nominated(state, pod, node)
        if status is not None:
            return status
        importance = _importance(self._handle.clock.now())
        lesser.sort(key=importance)
        violating, harmless = budgets.split(lesser)
        victims: list[PodInfo] = []
        violations = 0
        for victim in [*violating.values(), *harmless]:
            _put_back(runner, state, pod, victim, node)
            if runner.filter_with_nominated(state, pod, node) is None:
                continue
            _take_off(runner, state, pod, victim, node)
            victims.append(victim)
            violations += victim.uid in violating
        if not victims:
            return Status("Error", f'expected at least one victim pod on node "{node.name}"')
        return Candidate(node.name, tuple(sorted(victims, key=importance)), violations)


def _take_off(runner: PluginRunner, state: CycleState, pod: PodInfo, victim: PodInfo, node: NodeInfo) -> None:
    node.remove(victim.uid)
    runner.remove_pod(state, pod, victim, node)


def _put_back(runner: PluginRunner, state: CycleState, pod: PodInfo, victim: PodInfo, node: NodeInfo) -> None:
    node.add(victim)
    runner.add_pod(state, pod, victim, node)


def _started(pod: Object, now: float) -> float:
    """When it started; a pod that has not is taken to start now."""
    text = (pod.get("status") or {}).get("startTime")
    return parse_rfc3339(text) if text else now


def _importance(now: float) -> Callable[[PodInfo], tuple[int, float]]:
    """A sort key: the most important first, by priority and then by age."""
    return lambda pod: (-pod.priority, _started(pod.pod, now))


class Budgets:
    """Disruption budgets, asked whom they protect."""

    def __init__(self, budgets: Sequence[Object]) -> None:
        self._budgets = [(budget, _selector(budget)) for budget in budgets]

    def split(self, pods: Sequence[PodInfo]) -> tuple[dict[str, PodInfo], list[PodInfo]]:
        """Pods whose loss would break a budget, by uid, and the others, both in the order given."""
        allowed = [(budget.get("status") or {}).get("disruptionsAllowed") or 0 for budget, _ in self._budgets]
        violating: dict[str, PodInfo] = {}
        harmless: list[PodInfo] = []
        for pod in pods:
            if self._breaks(pod, allowed):
                violating[pod.uid] = pod
            else:
                harmless.append(pod)
        return violating, harmless

    def _breaks(self, pod: PodInfo, allowed: list[int]) -> bool:
        """Count the pod against the budgets that cover it and have not counted it yet, up to the first that it breaks."""
        if not pod.labels:
            return False
        for i, (budget, selector) in enumerate(self._budgets):
            if budget["metadata"]["namespace"] != pod.namespace or selector is None:
                continue
            if selector.empty or not selector.matches(pod.labels):
                continue
            if pod.name in ((budget.get("status") or {}).get("disruptedPods") or {}):
                continue
            allowed[i] -= 1
            if allowed[i] < 0:
                return True
        return False


def _selector(budget: Object) -> labels.Selector | None:
    try:
        return labels.from_label_selector((budget.get("spec") or {}).get("selector"))
    except labels.SelectorError:
        return None


def select_candidate(candidates: Sequence[Candidate], now: float) -> Candidate:
    """The one that does least harm (upstream pickOneNodeForPreemption); of equals the first."""

    def harm(candidate: Candidate) -> tuple[float, ...]:
        victims = candidate.victims
        top = max(victim.priority for victim in victims)
        eldest = min(_started(victim.pod, now) for victim in victims if victim.priority == top)
        # Priorities may be negative: shifted, so that fewer pods always weigh less than more.
        total = sum(victim.priority + 2**31 for victim in victims)
        return candidate.violations, victims[0].priority, total, len(victims), -eldest

    return min(candidates, key=harm)
