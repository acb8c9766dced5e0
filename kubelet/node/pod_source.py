"""The pods that are meant for this node, as the API tells: the sink of the node's pod watch.

What writes gave back is kept beside it, so that a patch is made against what is there; nobody takes it for news: a deletion that
came along in the answer to a write is told when the watch tells it.
"""

from __future__ import annotations

from typing import Protocol

from apiserver.apimachinery.objects import Object
from kubelet.node import facts


class Listener(Protocol):
    def pods_known(self, pods: list[Object]) -> None:
        """The first list, before any of its pods is added."""
        ...

    def pod_added(self, pod: Object) -> None: ...

    def pod_updated(self, old: Object, pod: Object, *, by_us: bool) -> None:
        """`by_us`: it is as our last write left it, or older."""
        ...

    def pod_removed(self, pod: Object) -> None: ...


class PodSource:
    """Pods by uid. A pod that was replaced by one of the same name is removed first."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._pods: dict[str, Object] = {}
        self._written: dict[str, Object] = {}  # answers to writes the watch has not reached yet
        self._by_name: dict[tuple[str, str], str] = {}
        self.synced = False

    def get(self, uid: str) -> Object | None:
        return self._pods.get(uid)

    def named(self, namespace: str, name: str) -> Object | None:
        return self._pods.get(self._by_name.get((namespace, name), ""))

    def all(self) -> list[Object]:
        return list(self._pods.values())

    def written(self, pod: Object) -> None:
        """What a write gave back."""
        uid = facts.uid_of(pod)
        known = self.newest(uid)
        if known is not None and _version(pod) > _version(known):
            self._written[uid] = pod

    def newest(self, uid: str) -> Object | None:
        """The pod as the server has it, as far as anybody here knows."""
        return self._written.get(uid) or self._pods.get(uid)

    # The reflector's sink

    def replace(self, objects: list[Object]) -> None:
        if not self.synced:
            self._listener.pods_known(objects)
        present = {facts.uid_of(pod) for pod in objects}
        for uid in [uid for uid in self._pods if uid not in present]:
            self._remove(uid)
        for pod in sorted(objects, key=lambda pod: pod["metadata"].get("creationTimestamp") or ""):
            self.changed(pod)
        self.synced = True

    def changed(self, pod: Object) -> None:
        uid, meta = facts.uid_of(pod), pod["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        if (other := self._by_name.get(key)) is not None and other != uid:
            self._remove(other)
        old = self._pods.get(uid)
        self._pods[uid] = pod
        self._by_name[key] = uid
        written = self._written.get(uid)
        if written is not None and _version(pod) >= _version(written):
            del self._written[uid]
        if old is None:
            self._listener.pod_added(pod)
        else:
            by_us = written is not None and _version(pod) <= _version(written)
            self._listener.pod_updated(old, pod, by_us=by_us)

    def deleted(self, pod: Object) -> None:
        self._remove(facts.uid_of(pod))

    def _remove(self, uid: str) -> None:
        pod = self._pods.pop(uid, None)
        self._written.pop(uid, None)
        if pod is None:
            return
        meta = pod["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        if self._by_name.get(key) == uid:
            del self._by_name[key]
        self._listener.pod_removed(pod)


def _version(pod: Object) -> int:
    """Resource versions of one server are numbers that grow; what is none counts as the newest."""
    text = pod["metadata"].get("resourceVersion") or ""
    return int(text) if text.isdigit() else 1 << 62
