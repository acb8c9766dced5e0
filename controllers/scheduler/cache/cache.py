"""The scheduler's view of the cluster: nodes with the pods on them, including pods it has assumed but not yet seen bound.

Mirrors upstream backend/cache/cache.go. As in 1.37 an assumed pod does not expire: it is forgotten when its binding fails,
and confirmed or removed by what the informer shows.
"""

from __future__ import annotations

import logging

from apiserver.apimachinery.objects import Object
from controllers.scheduler.cache.node_tree import NodeTree
from controllers.scheduler.cache.snapshot import Snapshot
from controllers.scheduler.framework.node_info import ImageState, NodeInfo
from controllers.scheduler.framework.pod_info import PodInfo

log = logging.getLogger(__name__)


class Cache:
    """Changed by event handlers and by assuming; read through snapshots."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeInfo] = {}
        self._tree = NodeTree()
        self._pods: dict[str, PodInfo] = {}  # by uid
        self._assumed: dict[str, None] = {}
        self._dirty: dict[str, None] = {}  # nodes changed since the last snapshot
        self._order_changed = True
        self._images: dict[str, ImageState] = {}

    # Nodes

    def add_node(self, node: Object) -> None:
        name = node["metadata"]["name"]
        info = self._node(name)
        old = info.node
        info.set_node(node)
        if self._tree.update(old, node):
            self._order_changed = True
        self._update_images(info)
        self._dirty[name] = None

    update_node = add_node

    def remove_node(self, node: Object) -> None:
        """The node is gone; the pods on it stay counted until they are seen to go."""
        name = node["metadata"]["name"]
        info = self.nodes.get(name)
        if info is None or info.node is None:
            return
        self._tree.remove(info.node)
        self._drop_images(info)
        info.remove_node()
        if not info.pods:
            del self.nodes[name]
        self._dirty[name] = None
        self._order_changed = True

    def _node(self, name: str) -> NodeInfo:
        info = self.nodes.get(name)
        if info is None:
            info = self.nodes[name] = NodeInfo(name)
        return info

    def _update_images(self, info: NodeInfo) -> None:
        """Count on how many nodes each image is. The counts are shared with snapshots: they only steer scores."""
        images = ((info.node or {}).get("status") or {}).get("images") or ()
        sizes = {name: image.get("sizeBytes") or 0 for image in images for name in image.get("names") or ()}
        if sizes.keys() == info.images.keys():
            return
        self._drop_images(info)
        for name, size in sizes.items():
            state = self._images.setdefault(name, ImageState(size))
            state.nodes += 1
            info.images[name] = state

    def _drop_images(self, info: NodeInfo) -> None:
        for name, state in info.images.items():
            state.nodes -= 1
            if state.nodes == 0:
                del self._images[name]
        info.images = {}

    # Pods

    def add_pod(self, pod: Object) -> None:
        """A bound pod was seen: it confirms an assumed one, is new, or has changed."""
        old = self._pods.get(pod["metadata"]["uid"])
        if old is not None and old.same_but_for_status(pod):
            self._refresh(old.with_pod(pod))
            return
        info = PodInfo(pod)
        if old is not None:
            if info.uid in self._assumed and old.node_name != info.node_name:
                log.warning("pod was bound elsewhere than assumed", extra={"pod": str(info), "node": info.node_name})
            self._remove(old)
        self._assumed.pop(info.uid, None)
        self._add(info)

    update_pod = add_pod

    def _refresh(self, pod: PodInfo) -> None:
        self._assumed.pop(pod.uid, None)
        self._pods[pod.uid] = pod
        self.nodes[pod.node_name].refresh(pod)
        self._dirty[pod.node_name] = None

    def remove_pod(self, uid: str) -> None:
        pod = self._pods.get(uid)
        if pod is not None:
            self._remove(pod)
            self._assumed.pop(uid, None)

    def assume(self, pod: PodInfo) -> None:
        """Count the pod on its node before it is bound. Raises ValueError when it is counted already."""
        if pod.uid in self._pods:
            raise ValueError(f"pod {pod.uid}({pod}) is in the cache, so can't be assumed")
        self._add(pod)
        self._assumed[pod.uid] = None

    def forget(self, uid: str) -> None:
        """An assumed pod will not be bound after all; nothing happens to one that is confirmed or gone."""
        if uid in self._assumed:
            self.remove_pod(uid)

    def is_assumed(self, uid: str) -> bool:
        return uid in self._assumed

    def get_pod(self, uid: str) -> PodInfo | None:
        return self._pods.get(uid)

    def _add(self, pod: PodInfo) -> None:
        node = pod.node_name
        self._pods[pod.uid] = pod
        self._node(node).add(pod)
        self._dirty[node] = None

    def _remove(self, pod: PodInfo) -> None:
        node = pod.node_name
        del self._pods[pod.uid]
        info = self.nodes[node]
        info.remove(pod.uid)
        if info.node is None and not info.pods:
            del self.nodes[node]
        self._dirty[node] = None

    # Snapshots

    def update_snapshot(self, snapshot: Snapshot) -> None:
        """Bring a snapshot up to date: only nodes that changed are copied. One snapshot per cache."""
        dirty, self._dirty = self._dirty, {}
        for name in dirty:
            info = self.nodes.get(name)
            snapshot.put(name, info.copy() if info is not None and info.node is not None else None)
        if self._order_changed:
            snapshot.reorder(self._tree.order())
            self._order_changed = False

    @property
    def pod_count(self) -> int:
        return len(self._pods)
