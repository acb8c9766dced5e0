"""What the parts of one node share: who it is, its client, time, chance, events and runtime."""

from __future__ import annotations

from dataclasses import dataclass

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.client.events import EventRecorder
from apiserver.client.resources import Client
from kubelet.node import facts
from kubelet.runtime.interface import ContainerRuntime

NORMAL, WARNING = "Normal", "Warning"


@dataclass
class NodeContext:
    """`host_ips`: the node's own addresses, the primary first. `node` is the Node object as last seen, None before."""

    name: str
    client: Client
    clock: Clock
    rand: Random
    recorder: EventRecorder
    runtime: ContainerRuntime
    runtime_name: str
    host_ips: tuple[str, ...] = ()
    node: Object | None = None

    def event(self, pod: Object, type: str, reason: str, message: str, *, container: str = "") -> None:
        """An event about a pod, or about one of its containers."""
        path = facts.field_path(pod, container) if container else ""
        self.recorder.event({"kind": "Pod", "apiVersion": "v1", **pod}, type, reason, message, field_path=path)

    def node_event(self, type: str, reason: str, message: str) -> None:
        meta = {"name": self.name, "uid": self.name}
        if self.node is not None:
            meta["uid"] = self.node["metadata"].get("uid") or self.name
        self.recorder.event({"kind": "Node", "apiVersion": "v1", "metadata": meta}, type, reason, message)
