"""Pods, nodes and plugins for unit tests: nothing but what a case needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apiserver.apimachinery.clock import SystemClock
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.client.informer import Informers
from apiserver.client.interface import TransportResponse
from apiserver.client.resources import Client
from controllers.framework import kinds
from controllers.scheduler.cache.cache import Cache
from controllers.scheduler.cache.snapshot import Snapshot
from controllers.scheduler.configuration import default_profile
from controllers.scheduler.framework.events_recorder import SchedulerEvents
from controllers.scheduler.framework.interface import CycleState, Handle
from controllers.scheduler.framework.listers import Listers
from controllers.scheduler.framework.node_info import NodeInfo
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.profile import Profile
from controllers.scheduler.framework.status import Status
from controllers.scheduler.plugins.installed import factory
from controllers.scheduler.queue.nominator import Nominator


class Unreachable:
    """A transport over which nothing gets through."""

    async def send(
        self, method: str, target: str, *, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> TransportResponse:
        raise ConnectionError("nobody is there")

    async def aclose(self) -> None:
        return None


def pod(
    name: str = "p", *, requests: Mapping[str, str] | None = None, labels: Mapping[str, str] | None = None, **spec: Any
) -> Object:
    container = {"name": "c", "image": "i", "resources": {"requests": dict(requests or {})}}
    meta = {"name": name, "namespace": "default", "uid": f"uid-{name}", "labels": dict(labels or {})}
    wanted = {"schedulerName": "default-scheduler", "containers": [container], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": wanted, "status": {}}


def node(
    name: str = "n",
    *,
    labels: Mapping[str, str] | None = None,
    cpu: str = "4",
    memory: str = "8Gi",
    pods: str = "110",
    status: Mapping[str, Any] | None = None,
    more: Mapping[str, str] | None = None,
    **spec: Any,
) -> Object:
    allocatable = {"cpu": cpu, "memory": memory, "pods": pods, **(more or {})}
    meta = {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}}
    return {"metadata": meta, "spec": spec, "status": {"allocatable": allocatable, **(status or {})}}


def bound(given: Object, where: str) -> Object:
    return {**given, "spec": {**given["spec"], "nodeName": where}}


class Bench:
    """A cluster of the given nodes and bound pods, and plugins over it."""

    def __init__(self, nodes: Sequence[Object] = (), pods: Sequence[Object] = ()) -> None:
        self.client = Client(Unreachable())
        self.listers = Listers(Informers(self.client, Random(1)))
        self.cache = Cache()
        self.snapshot = Snapshot()
        self.nominator = Nominator(self.listers.pod)
        for given in nodes:
            self.cache.add_node(given)
        for given in pods:
            self.cache.add_pod(given)
        self.refresh()

    def refresh(self) -> None:
        self.cache.update_snapshot(self.snapshot)

    def know(self, gvr: GroupVersionResource, *objects: Object) -> None:
        """Let an informer show these."""
        informer = self.listers.pods if gvr == kinds.PODS else self.listers.informer(gvr)
        informer.replace(list(objects))

    def handle(self) -> Handle:
        rand, clock = Random(1), SystemClock()
        return Handle(
            client=self.client,
            clock=clock,
            rand=rand,
            snapshot=self.snapshot,
            listers=self.listers,
            nominator=self.nominator,
            recorder=SchedulerEvents(self.client, clock, rand, "test"),
            activate=lambda pods: None,
            run_task=lambda coro, name: coro.close(),
        )

    def plugin(self, name: str, **args: Any) -> Any:
        return factory(name)(args, self.handle())

    def profile(self) -> Profile:
        return Profile(default_profile(), factory, self.handle())

    def node(self, name: str) -> NodeInfo:
        return self.snapshot.by_name[name]

    def verdicts(self, name: str, given: Object, **args: Any) -> dict[str, str]:
        """By node, why the plugin turns the pod down; empty where it does not. `""` as key: for all nodes at once."""
        plugin, state, info = self.plugin(name, **args), CycleState(), PodInfo(given)
        if hasattr(plugin, "pre_filter"):
            answer = plugin.pre_filter(state, info, self.snapshot.nodes)
            if isinstance(answer, Status):
                return dict.fromkeys(self.snapshot.by_name, "") if answer.code == "Skip" else {"": answer.message}
        found = {n.name: plugin.filter(state, info, n) for n in self.snapshot.nodes}
        return {name: status.message if status is not None else "" for name, status in found.items()}

    def scores(self, name: str, given: Object, **args: Any) -> dict[str, int]:
        """By node, normalized and not weighted; empty where the plugin has no opinion."""
        plugin, state, info = self.plugin(name, **args), CycleState(), PodInfo(given)
        nodes = self.snapshot.nodes
        if hasattr(plugin, "pre_score") and plugin.pre_score(state, info, nodes) is not None:
            return {}
        scores = [plugin.score(state, info, n) for n in nodes]
        if hasattr(plugin, "normalize"):
            plugin.normalize(state, info, nodes, scores)
        return {n.name: score for n, score in zip(nodes, scores, strict=True)}
