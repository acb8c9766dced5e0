"""A node with the pods on it, summed up. Mirrors upstream framework/types.go NodeInfo.

The cache changes its NodeInfos; a snapshot holds copies that are never changed. A change that may matter to a plugin is a new
generation; while that stays the same, what plugins found out about the node stands.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from itertools import count
from typing import Any, TypeVar

from apiserver.apimachinery.objects import Object
from controllers.scheduler.framework.pod_info import HOSTNAME, PodInfo
from controllers.scheduler.framework.resources import Resource, amounts

T = TypeVar("T")

MAX_MEMO = 64  # answers kept per node

MAX_QUESTIONS = 4096

_generations = count(1)
_fresh = count(1)
_numbers: dict[Hashable, int] = {}


def number_of(question: Hashable) -> int:
    """A number that stands for what is asked of nodes: it is looked up once a cycle, where the question itself is slow to hash."""
    number = _numbers.get(question)
    if number is None:
        if len(_numbers) >= MAX_QUESTIONS:
            _numbers.clear()  # numbers are never used again: old answers are simply not found any more
        number = _numbers[question] = next(_fresh)
    return number


class ImageState:
    """An image: its size, and on how many nodes it is."""

    __slots__ = ("nodes", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.nodes = 0


class NodeInfo:
    """`node` is None for a node that is gone, or not seen yet, while pods are still counted on it."""

    __slots__ = (
        "affinity_pods",
        "allocatable",
        "anti_affinity_pods",
        "claims",
        "generation",
        "images",
        "labels",
        "memo",
        "name",
        "node",
        "non_zero_cpu",
        "non_zero_memory",
        "pods",
        "ports",
        "prefer_no_schedule",
        "requested",
        "taints",
        "unschedulable",
        "wide_anti_affinity",
    )

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.node: Object | None = None
        self.labels: dict[str, str] = {}
        self.unschedulable = False
        self.taints: list[dict[str, Any]] = []  # those that forbid: NoSchedule and NoExecute
        self.prefer_no_schedule: list[dict[str, Any]] = []
        self.allocatable = Resource()
        self.images: dict[str, ImageState] = {}  # by name; shared by all nodes that have it
        self.pods: dict[str, PodInfo] = {}  # by uid
        self.affinity_pods: dict[str, PodInfo] = {}  # those with any term of (anti-)affinity
        self.anti_affinity_pods: dict[str, PodInfo] = {}  # those with a required term of anti-affinity
        self.wide_anti_affinity = 0  # how many of these reach beyond their node
        self.requested = Resource()
        self.non_zero_cpu = 0
        self.non_zero_memory = 0
        self.ports: dict[tuple[str, int], dict[str, int]] = {}  # (protocol, port) → addresses → how often
        self.claims: dict[tuple[str, str], int] = {}  # PVCs in use
        self.generation = next(_generations)
        self.memo: dict[int, Any] = {}  # what plugins counted on this node, while it stays as it is

    def copy(self) -> NodeInfo:
        """An independent copy with the same generation; objects within are shared, containers are not."""
        made = NodeInfo.__new__(NodeInfo)
        made.name, made.node, made.labels = self.name, self.node, self.labels
        made.unschedulable, made.taints = self.unschedulable, self.taints
        made.prefer_no_schedule, made.allocatable, made.images = self.prefer_no_schedule, self.allocatable, self.images
        made.pods = self.pods.copy()
        made.affinity_pods = self.affinity_pods.copy()
        made.anti_affinity_pods = self.anti_affinity_pods.copy()
        made.wide_anti_affinity = self.wide_anti_affinity
        made.requested = self.requested.copy()
        made.non_zero_cpu, made.non_zero_memory = self.non_zero_cpu, self.non_zero_memory
        made.ports = {port: dict(addresses) for port, addresses in self.ports.items()}
        made.claims = self.claims.copy()
        made.generation = self.generation
        made.memo = {}
        return made

    def set_node(self, node: Object) -> None:
        spec, status = node.get("spec") or {}, node.get("status") or {}
        self.node = node
        self.name = node["metadata"]["name"]
        self.labels = node["metadata"].get("labels") or {}
        self.unschedulable = bool(spec.get("unschedulable"))
        taints = spec.get("taints") or ()
        self.taints = [t for t in taints if t.get("effect") in ("NoSchedule", "NoExecute")]
        self.prefer_no_schedule = [t for t in taints if t.get("effect") == "PreferNoSchedule"]
        self.allocatable = Resource(amounts(status.get("allocatable")))
        self._changed()

    def remove_node(self) -> None:
        self.node = None
        self._changed()

    def add(self, pod: PodInfo) -> None:
        self.pods[pod.uid] = pod
        self._count(pod, 1)
        if pod.has_affinity:
            self.affinity_pods[pod.uid] = pod
        if pod.anti_affinity:
            self.anti_affinity_pods[pod.uid] = pod
        self._changed()

    def remove(self, uid: str) -> PodInfo | None:
        pod = self.pods.pop(uid, None)
        if pod is None:
            return None
        self._count(pod, -1)
        self.affinity_pods.pop(uid, None)
        self.anti_affinity_pods.pop(uid, None)
        self._changed()
        return pod

    def refresh(self, pod: PodInfo) -> None:
        """The same pod as far as scheduling goes, with another status."""
        for pods in (self.pods, self.affinity_pods, self.anti_affinity_pods):
            if pod.uid in pods:
                pods[pod.uid] = pod

    def _count(self, pod: PodInfo, sign: int) -> None:
        self.requested.add(pod.requests, sign)
        self.non_zero_cpu += sign * pod.non_zero_cpu
        self.non_zero_memory += sign * pod.non_zero_memory
        if pod.anti_affinity and any(term.topology_key != HOSTNAME for term in pod.anti_affinity):
            self.wide_anti_affinity += sign
        for address, protocol, number in pod.ports:
            _bump(self.ports.setdefault((protocol, number), {}), address, sign)
        for claim in pod.claims:
            _bump(self.claims, (pod.namespace, claim), sign)

    def _changed(self) -> None:
        self.generation = next(_generations)
        self.memo = {}

    def remember(self, question: int, answer: Callable[[NodeInfo], T]) -> T:
        """What `answer` says of this node, worked out once while the node stays as it is; `question` is its `number_of`."""
        known = self.memo.get(question)
        if known is None:
            if len(self.memo) >= MAX_MEMO:
                self.memo.clear()
            known = self.memo[question] = answer(self)
        return known


def _bump(counts: dict[Any, int], key: Any, sign: int) -> None:
    value = counts.get(key, 0) + sign
    if value > 0:
        counts[key] = value
    else:
        counts.pop(key, None)
