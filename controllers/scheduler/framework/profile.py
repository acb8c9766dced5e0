"""A profile: the plugins of one scheduler name, and how they are run. Mirrors upstream framework/runtime/framework.go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controllers.scheduler.framework.interface import (
    MAX_SCORE,
    CycleState,
    Handle,
    PluginFactory,
    PostFilterResult,
    PreFilterResult,
)
from controllers.scheduler.framework.node_info import NodeInfo
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.status import (
    ERROR,
    SKIP,
    SUCCESS,
    UNRESOLVABLE,
    UNSCHEDULABLE,
    WAIT,
    NodeStatuses,
    Status,
    as_status,
)
from controllers.scheduler.framework.waiting import WaitingPods
from controllers.scheduler.queue.queued import QueuedPod
from controllers.scheduler.queue.scheduling_queue import PluginHint

log = logging.getLogger(__name__)

YIELD_EVERY = 64  # nodes between two looks at the loop: filters of one node cost 5–30 µs

# Extension point in a configuration → the method that takes part in it.
POINTS = {
    "preEnqueue": "pre_enqueue",
    "queueSort": "order",
    "preFilter": "pre_filter",
    "filter": "filter",
    "postFilter": "post_filter",
    "preScore": "pre_score",
    "score": "score",
    "reserve": "reserve",
    "permit": "permit",
    "preBind": "pre_bind",
    "bind": "bind",
    "postBind": "post_bind",
}


@dataclass
class ProfileSpec:
    """What a configuration says of a profile, defaults filled in: plugins by extension point, in order."""

    scheduler_name: str
    points: dict[str, list[str]]
    weights: dict[str, int] = field(default_factory=dict)
    args: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    percentage_of_nodes_to_score: int | None = None


class Profile:
    """Runs plugins, point by point. What they answer gets their name; what they raise becomes an error status."""

    def __init__(self, spec: ProfileSpec, factory: Callable[[str], PluginFactory], handle: Handle) -> None:
        self.scheduler_name = spec.scheduler_name
        self.percentage_of_nodes_to_score = spec.percentage_of_nodes_to_score
        self._weights = spec.weights
        handle.runner = self
        names = dict.fromkeys(name for point in POINTS for name in spec.points.get(point, ()))
        self.plugins = {name: factory(name)(spec.args.get(name, {}), handle) for name in names}
        self._points = {point: [self.plugins[name] for name in spec.points.get(point, ())] for point in POINTS}
        self._nominator = handle.nominator
        self.waiting = WaitingPods(handle.clock)
        self.hints: tuple[PluginHint, ...] = tuple(
            PluginHint(name, hint) for name, p in self.plugins.items() if hasattr(p, "events") for hint in p.events()
        )
        self.order: Callable[[QueuedPod], Any] = self._points["queueSort"][0].order

    @property
    def has_post_filter(self) -> bool:
        return bool(self._points["postFilter"])

    @property
    def has_score(self) -> bool:
        return bool(self._points["score"])

    # Queue

    def pre_enqueue(self, pod: PodInfo, first: str) -> Status | None:
        """The first refusal, or None. The plugin that held the pod back last is asked first."""
        plugins = self._points["preEnqueue"]
        if first in self.plugins:
            plugins = [self.plugins[first], *(p for p in plugins if p.name != first)]
        for plugin in plugins:
            status: Status | None = plugin.pre_enqueue(pod)
            if status is not None:
                return status.named(plugin.name)
        return None

    # Filtering

    def pre_filter(
        self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]
    ) -> tuple[frozenset[str] | None, Status | None, dict[str, None]]:
        """The nodes worth looking at (None: all), a refusal or error, and the plugins that narrowed the nodes down."""
        allowed: frozenset[str] | None = None
        narrowing: dict[str, None] = {}
        refusal: Status | None = None
        for plugin in self._points["preFilter"]:
            answer = plugin.pre_filter(state, pod, nodes)
            if isinstance(answer, Status):
                if answer.code == SKIP:
                    state.skip_filter[plugin.name] = None
                    continue
                if answer.code == UNSCHEDULABLE:  # preemption may follow: it needs every plugin's state
                    refusal = answer.named(plugin.name)
                    continue
                if answer.code == UNRESOLVABLE:
                    return None, answer.named(plugin.name), {}
                return None, _failed(f'running PreFilter plugin "{plugin.name}"', answer, plugin.name), {}
            if isinstance(answer, PreFilterResult) and answer.nodes is not None:
                narrowing[plugin.name] = None
                allowed = answer.nodes if allowed is None else allowed & answer.nodes
                if not allowed:
                    return allowed, Status(UNRESOLVABLE, _nothing_left(narrowing)), narrowing
        return allowed, refusal, narrowing

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        """The first refusal of a node, or None."""
        skip = state.skip_filter
        for plugin in self._points["filter"]:
            if plugin.name in skip:
                continue
            status: Status | None = plugin.filter(state, pod, node)
            if status is not None:
                if status.rejected:
                    return status.named(plugin.name)
                return _failed(f'running "{plugin.name}" filter plugin', status, plugin.name)
        return None

    def filter_with_nominated(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        """As `filter`; where pods of at least the same priority are promised the node, with and without them."""
        if self._nominator:
            promised = [
                other
                for other in self._nominator.on_node(node.name)
                if other.priority >= pod.priority and other.uid != pod.uid
            ]
            if promised:
                with_state, with_node = state.clone(), node.copy()
                for other in promised:
                    with_node.add(other)
                    if (status := self.add_pod(with_state, pod, other, with_node)) is not None:
                        return status
                if (status := self.filter(with_state, pod, with_node)) is not None:
                    return status
        return self.filter(state, pod, node)

    def add_pod(self, state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo) -> Status | None:
        return self._extension("add_pod", state, pod, added, node)

    def remove_pod(self, state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo) -> Status | None:
        return self._extension("remove_pod", state, pod, removed, node)

    def _extension(self, method: str, state: CycleState, pod: PodInfo, other: PodInfo, node: NodeInfo) -> Status | None:
        for plugin in self._points["preFilter"]:
            if plugin.name in state.skip_filter or not hasattr(plugin, method):
                continue
            status: Status | None = getattr(plugin, method)(state, pod, other, node)
            if status is not None:
                return _failed(f'running {method} on PreFilter plugin "{plugin.name}"', status, plugin.name)
        return None

    async def post_filter(
        self, state: CycleState, pod: PodInfo, statuses: NodeStatuses
    ) -> tuple[PostFilterResult | None, Status | None]:
        """Try to make the pod schedulable later; the first plugin that succeeds, or finally refuses, ends it."""
        result: PostFilterResult | None = None
        reasons: list[str] = []
        rejector = ""
        for plugin in self._points["postFilter"]:
            found, status = await plugin.post_filter(state, pod, statuses)
            if status is None or status.code == SUCCESS:  # with a message, perhaps
                return found, status
            if status.code == UNRESOLVABLE:
                return found, status.named(plugin.name)
            if not status.rejected:
                return None, status.named(plugin.name)
            if found is not None and found.nominating is not None:
                result = found
            reasons += status.reasons
            rejector = rejector or plugin.name
        return result, Status(UNSCHEDULABLE, *reasons, plugin=rejector)

    # Scoring

    async def score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int] | Status:
        """The weighted sum of all plugins' scores, node by node."""
        for plugin in self._points["preScore"]:
            status: Status | None = plugin.pre_score(state, pod, nodes)
            if status is not None:
                if status.code != SKIP:
                    return _failed(f'running PreScore plugin "{plugin.name}"', status, plugin.name)
                state.skip_score[plugin.name] = None
        totals = [0] * len(nodes)
        for plugin in self._points["score"]:
            if plugin.name in state.skip_score:
                continue
            scores = await self._scores(plugin, state, pod, nodes)
            wrong = next((s for s in scores if not 0 <= s <= MAX_SCORE), None)
            if wrong is not None:
                text = f"it should in the range of [0, {MAX_SCORE}] after normalizing"
                return as_status(ValueError(f'plugin "{plugin.name}" returns an invalid score {wrong}, {text}'))
            weight = self._weights.get(plugin.name, 1)
            totals = [total + weight * score for total, score in zip(totals, scores, strict=True)]
        return totals

    async def _scores(self, plugin: Any, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        scores: list[int] = []
        for start in range(0, len(nodes), YIELD_EVERY):
            if start:
                await asyncio.sleep(0)
            scores += [plugin.score(state, pod, node) for node in nodes[start : start + YIELD_EVERY]]
        if hasattr(plugin, "normalize"):
            plugin.normalize(state, pod, nodes, scores)
        return scores

    # Binding

    def reserve(self, state: CycleState, pod: PodInfo, node: str) -> Status | None:
        for plugin in self._points["reserve"]:
            status: Status | None = plugin.reserve(state, pod, node)
            if status is not None:
                if status.rejected:
                    return status.named(plugin.name)
                return _failed(f'running Reserve plugin "{plugin.name}"', status, plugin.name)
        return None

    def unreserve(self, state: CycleState, pod: PodInfo, node: str) -> None:
        for plugin in reversed(self._points["reserve"]):
            plugin.unreserve(state, pod, node)

    def permit(self, state: CycleState, pod: PodInfo, node: str) -> Status | None:
        """WAIT: the pod is held back until all plugins that asked for it allow it (`wait_on_permit`)."""
        waits: dict[str, float] = {}
        for plugin in self._points["permit"]:
            status, seconds = plugin.permit(state, pod, node)
            if status is None:
                continue
            if status.rejected:
                return status.named(plugin.name)  # type: ignore[no-any-return]
            if status.code != WAIT:
                return _failed(f'running Permit plugin "{plugin.name}"', status, plugin.name)
            waits[plugin.name] = seconds
        if not waits:
            return None
        self.waiting.add(pod, waits)
        return Status(WAIT, f'one or more plugins asked to wait and no plugin rejected pod "{pod.name}"')

    async def wait_on_permit(self, pod: PodInfo) -> Status | None:
        return await self.waiting.wait(pod)

    def reject_waiting(self, uid: str, plugin: str = "", message: str = "removed") -> bool:
        return self.waiting.reject(uid, plugin, message)

    def pre_flight(self, state: CycleState, pod: PodInfo, node: str) -> Status | None:
        """None: some plugin has work to do before the binding; SKIP: none has."""
        busy = False
        for plugin in self._points["preBind"]:
            status: Status | None = plugin.pre_bind_pre_flight(state, pod, node)
            if status is None:
                busy = True
            elif status.code != SKIP:
                return _failed(f'running PreBindPreFlight "{plugin.name}"', status, plugin.name)
        return None if busy else Status(SKIP)

    async def pre_bind(self, state: CycleState, pod: PodInfo, node: str) -> Status | None:
        for plugin in self._points["preBind"]:
            status: Status | None = await plugin.pre_bind(state, pod, node)
            if status is not None and status.code != SKIP:
                if status.rejected:
                    return status.named(plugin.name)
                return _failed(f'running PreBind plugin "{plugin.name}"', status, plugin.name)
        return None

    async def bind(self, state: CycleState, pod: PodInfo, node: str) -> Status | None:
        for plugin in self._points["bind"]:
            status: Status | None = await plugin.bind(state, pod, node)
            if status is not None and status.code == SKIP:
                continue
            if status is None or status.rejected:
                return status.named(plugin.name) if status is not None else None
            return _failed(f'running Bind plugin "{plugin.name}"', status, plugin.name)
        return Status(SKIP)

    def post_bind(self, state: CycleState, pod: PodInfo, node: str) -> None:
        for plugin in self._points["postBind"]:
            plugin.post_bind(state, pod, node)


def _failed(doing: str, status: Status, plugin: str) -> Status:
    return Status(ERROR, f"{doing}: {status.message}", plugin=plugin, error=status.error)


def _nothing_left(plugins: Mapping[str, None]) -> str:
    if len(plugins) == 1:
        return f"node(s) didn't satisfy plugin {next(iter(plugins))}"
    return f"node(s) didn't satisfy plugin(s) [{' '.join(sorted(plugins))}] simultaneously"
