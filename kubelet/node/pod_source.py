"""The pods that are meant for this node, as the API tells: the sink of the node's pod watch.

It keeps the newest of what the watch told and what writes gave back, so that a patch is made against what is there.
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

    def pod_updated(self, old: Object, pod: Object) -> None: ...

    def pod_removed(self, pod: Object) -> None: ...


class PodSource:
    """Pods by uid. A pod that was replaced by one of the same name is removed first."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._pods: dict[str, Object] = {}
        self._by_name: dict[tuple[str, str], str] = {}
        self.synced = False

    def get(self, uid: str) -> Object | None:
        return self._pods.get(uid)

    def named(self, namespace: str, name: str) -> Object | None:
        return self._pods.get(self._by_name.get((namespace, name), ""))

    def all(self) -> list[Object]:
        return list(self._pods.values())

    def written(self, pod: Object) -> None:
        """What a write gave back; nobody is told, the watch will."""
        known = self._pods.get(facts.uid_of(pod))
        if known is not None and _version(pod) > _version(known):
            self._pods[facts.uid_of(pod)] = pod

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
        if old is not None and _version(old) >= _version(pod):
            pod_is_known = old["metadata"].get("resourceVersion") == meta.get("resourceVersion")
            if not pod_is_known:
                return  # a write's answer was faster than its event
        self._pods[uid] = pod
        self._by_name[key] = uid
        if old is None:
            self._listener.pod_added(pod)
        else:
            self._listener.pod_updated(old, pod)

    def deleted(self, pod: Object) -> None:
        self._remove(facts.uid_of(pod))

    def _remove(self, uid: str) -> None:
        pod = self._pods.pop(uid, None)
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
