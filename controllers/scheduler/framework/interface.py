"""The extension points of the scheduling framework. A plugin has the methods of those it takes part in, and no others.

Mirrors k8s.io/kube-scheduler/framework/interface.go. Where upstream returns a success status, None is returned here.
`filter` and `score` run for every node: what they need of the pod is worked out in `pre_filter` and `pre_score`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.client.resources import Client
from controllers.scheduler.cache.snapshot import Snapshot
from controllers.scheduler.framework.events import EventHint
from controllers.scheduler.framework.events_recorder import SchedulerEvents
from controllers.scheduler.framework.listers import Listers
from controllers.scheduler.framework.node_info import NodeInfo
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.status import NodeStatuses, Status
from controllers.scheduler.queue.nominator import Nominating, Nominator
from controllers.scheduler.queue.queued import QueuedPod

MAX_SCORE = 100


class CycleState:
    """What plugins remember from one point of a cycle to the next: `data` by plugin. Values copy themselves on `clone`."""

    __slots__ = ("data", "skip_filter", "skip_score")

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.skip_filter: dict[str, None] = {}
        self.skip_score: dict[str, None] = {}

    def clone(self) -> CycleState:
        made = CycleState()
        made.data = {k: v.clone() if hasattr(v, "clone") else v for k, v in self.data.items()}
        made.skip_filter, made.skip_score = self.skip_filter, self.skip_score
        return made


class PreFilterResult(NamedTuple):
    """The only nodes worth looking at; None: all of them."""

    nodes: frozenset[str] | None


class PostFilterResult(NamedTuple):
    nominating: Nominating | None


class Plugin(Protocol):
    """`name` is the one in configurations. `events` tells what may make a pod schedulable that it has turned down.

    `argument_errors(args, path)`, where a class has it, yields what is wrong with its arguments (plugins/arguments.py).
    """

    name: str


class EnqueueExtensions(Protocol):
    def events(self) -> Sequence[EventHint]: ...


class PreEnqueuePlugin(Protocol):
    def pre_enqueue(self, pod: PodInfo) -> Status | None: ...


class QueueSortPlugin(Protocol):
    def order(self, queued: QueuedPod) -> Any:
        """A sort key: the least is scheduled first."""


class PreFilterPlugin(Protocol):
    def pre_filter(
        self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]
    ) -> PreFilterResult | Status | None: ...


class PreFilterExtensions(Protocol):
    """Keep the state right when a pod is put on a node, or taken off it, in thought."""

    def add_pod(self, state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo) -> Status | None: ...

    def remove_pod(self, state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo) -> Status | None: ...


class FilterPlugin(Protocol):
    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None: ...


class PostFilterPlugin(Protocol):
    async def post_filter(
        self, state: CycleState, pod: PodInfo, statuses: NodeStatuses
    ) -> tuple[PostFilterResult | None, Status | None]: ...


class PreScorePlugin(Protocol):
    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None: ...


class ScorePlugin(Protocol):
    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int: ...


class NormalizePlugin(Protocol):
    def normalize(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo], scores: list[int]) -> None:
        """Bring the scores between 0 and 100, in place."""


class ReservePlugin(Protocol):
    def reserve(self, state: CycleState, pod: PodInfo, node: str) -> Status | None: ...

    def unreserve(self, state: CycleState, pod: PodInfo, node: str) -> None: ...


class PermitPlugin(Protocol):
    def permit(self, state: CycleState, pod: PodInfo, node: str) -> tuple[Status | None, float]:
        """With a WAIT status: how many seconds at most."""


class PreBindPlugin(Protocol):
    def pre_bind_pre_flight(self, state: CycleState, pod: PodInfo, node: str) -> Status | None:
        """SKIP: pre_bind has nothing to do for this pod."""

    async def pre_bind(self, state: CycleState, pod: PodInfo, node: str) -> Status | None: ...


class BindPlugin(Protocol):
    async def bind(self, state: CycleState, pod: PodInfo, node: str) -> Status | None:
        """SKIP: another bind plugin shall do it."""


class PostBindPlugin(Protocol):
    def post_bind(self, state: CycleState, pod: PodInfo, node: str) -> None: ...


class PluginRunner(Protocol):
    """What a plugin may ask of the profile it belongs to: preemption tries nodes with pods taken away."""

    def filter_with_nominated(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None: ...

    def add_pod(self, state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo) -> Status | None: ...

    def remove_pod(self, state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo) -> Status | None: ...

    def reject_waiting(self, uid: str, plugin: str, message: str) -> bool: ...


@dataclass
class Handle:
    """What plugins are given. `run_task` runs a coroutine in the background, under the scheduler's ownership."""

    client: Client
    clock: Clock
    rand: Random
    snapshot: Snapshot
    listers: Listers
    nominator: Nominator
    recorder: SchedulerEvents
    activate: Callable[[Mapping[str, PodInfo]], None]
    run_task: Callable[..., Any]
    runner: PluginRunner | None = None

    def namespace_labels(self, namespace: str) -> dict[str, str]:
        found = self.listers.namespace(namespace)
        return (found["metadata"].get("labels") or {}) if found is not None else {}


PluginFactory = Callable[[Mapping[str, Any], Handle], Any]


def default_normalize(scores: list[int], *, reverse: bool) -> None:
    """Stretch scores so that the best has 100 (upstream plugins/helper/normalize_score.go)."""
    best = max(scores, default=0)
    if best == 0:
        if reverse:
            scores[:] = [MAX_SCORE] * len(scores)
        return
    scores[:] = [MAX_SCORE - MAX_SCORE * s // best if reverse else MAX_SCORE * s // best for s in scores]


__all__ = ["MAX_SCORE", "CycleState", "Handle", "Object"]
