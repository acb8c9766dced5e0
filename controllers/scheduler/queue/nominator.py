"""Pods that are promised a node: preemption has made room there, or their binding is under way. Mirrors backend/queue/nominator.go."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from apiserver.apimachinery.objects import Object
from controllers.scheduler.framework.pod_info import PodInfo


class Nominating(NamedTuple):
    """Set the nomination to `node`; empty clears it. Where a Nominating is None, what the pod's status says stands."""

    node: str


def nominated_node(pod: Object) -> str:
    return (pod.get("status") or {}).get("nominatedNodeName") or ""


class Nominator:
    """Nominated pods by node. `lookup` gives a pod as the informer has it, or None."""

    def __init__(self, lookup: Callable[[str, str], Object | None]) -> None:
        self._lookup = lookup
        self._by_node: dict[str, dict[str, PodInfo]] = {}
        self._node_of: dict[str, str] = {}  # by uid

    def add(self, pod: PodInfo, nominating: Nominating | None = None) -> None:
        """Take note of a nomination, in place of an earlier one. A pod that is gone or bound is not nominated."""
        self.delete(pod.uid)
        node = nominating.node if nominating is not None else nominated_node(pod.pod)
        if not node:
            return
        seen = self._lookup(pod.namespace, pod.name)
        if seen is None or seen["spec"].get("nodeName"):
            return
        self._node_of[pod.uid] = node
        self._by_node.setdefault(node, {})[pod.uid] = pod

    def update(self, old: Object, pod: PodInfo) -> None:
        """The pod was updated. A nomination that is not in the status yet is kept."""
        uid = old["metadata"]["uid"]
        nominating = None
        if not nominated_node(old) and not nominated_node(pod.pod) and uid in self._node_of:
            nominating = Nominating(self._node_of[uid])
        self.delete(uid)
        self.add(pod, nominating)

    def delete(self, uid: str) -> None:
        node = self._node_of.pop(uid, None)
        if node is None:
            return
        pods = self._by_node[node]
        del pods[uid]
        if not pods:
            del self._by_node[node]

    def on_node(self, node: str) -> list[PodInfo]:
        pods = self._by_node.get(node)
        return list(pods.values()) if pods else []

    def __bool__(self) -> bool:
        return bool(self._by_node)
