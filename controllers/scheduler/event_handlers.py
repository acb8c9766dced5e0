"""From what informers see to the cache and the queue. Mirrors upstream eventhandlers.go."""

from __future__ import annotations

from collections.abc import Mapping

from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.objects import Object
from apiserver.client.informer import Handler
from controllers.framework import kinds
from controllers.scheduler.cache.cache import Cache
from controllers.scheduler.framework import events, listers
from controllers.scheduler.framework.events import ASSIGNED_POD_ADD, ASSIGNED_POD_DELETE, ClusterEvent
from controllers.scheduler.framework.listers import Listers
from controllers.scheduler.framework.profile import Profile
from controllers.scheduler.queue.nominator import nominated_node
from controllers.scheduler.queue.scheduling_queue import SchedulingQueue

# Beside pods and nodes: the kinds whose changes plugins may wait for.
WATCHED: Mapping[str, GroupVersionResource] = {
    events.NAMESPACE: kinds.NAMESPACES,
    events.PERSISTENT_VOLUME: kinds.PERSISTENT_VOLUMES,
    events.PERSISTENT_VOLUME_CLAIM: kinds.PERSISTENT_VOLUME_CLAIMS,
    events.STORAGE_CLASS: kinds.STORAGE_CLASSES,
    events.CSI_NODE: listers.CSI_NODES,
    events.CSI_DRIVER: listers.CSI_DRIVERS,
    events.CSI_STORAGE_CAPACITY: listers.CSI_STORAGE_CAPACITIES,
    events.VOLUME_ATTACHMENT: listers.VOLUME_ATTACHMENTS,
}


class EventHandlers:
    """Handlers run in the step in which an informer learns something: they must be quick."""

    def __init__(self, cache: Cache, queue: SchedulingQueue, profiles: Mapping[str, Profile]) -> None:
        self._cache = cache
        self._queue = queue
        self._profiles = profiles

    def register(self, found: Listers) -> None:
        found.nodes.add_handler(Handler(self.node_added, self.node_updated, self.node_deleted))
        found.pods.add_handler(Handler(self.pod_added, self.pod_updated, self.pod_deleted))
        for resource, gvr in WATCHED.items():
            found.informer(gvr).add_handler(self._relay(resource))

    def _relay(self, resource: str) -> Handler:
        added, updated = ClusterEvent(resource, events.ADD), ClusterEvent(resource, events.UPDATE)
        deleted = ClusterEvent(resource, events.DELETE)
        return Handler(
            added=lambda new: self._queue.move_all(added, None, new),
            updated=lambda old, new: self._queue.move_all(updated, old, new),
            deleted=lambda old: self._queue.move_all(deleted, old, None),
        )

    # Nodes

    def node_added(self, node: Object) -> None:
        self._cache.add_node(node)
        self._queue.move_all(events.NODE_ADD, None, node)

    def node_updated(self, old: Object, new: Object) -> None:
        changes = events.node_changes(new, old)
        if changes or (old.get("status") or {}).get("images") != (new.get("status") or {}).get("images"):
            self._cache.update_node(new)
        for event in changes:
            self._queue.move_all(event, old, new)

    def node_deleted(self, node: Object) -> None:
        self._queue.move_all(events.NODE_DELETE, node, None)
        self._cache.remove_node(node)

    # Pods

    def _responsible(self, pod: Object) -> bool:
        return (pod["spec"].get("schedulerName") or "") in self._profiles

    def pod_added(self, pod: Object) -> None:
        if _assigned(pod):
            self._assigned_added(pod)
        elif self._responsible(pod) and not _terminal(pod):
            self._queue.add(pod)

    def pod_updated(self, old: Object, new: Object) -> None:
        if old["metadata"]["uid"] != new["metadata"]["uid"]:  # a deletion and a creation that were not seen apart
            self.pod_deleted(old)
            self.pod_added(new)
        elif _assigned(old):
            self._assigned_updated(old, new)
        elif _assigned(new):
            self._assigned_added(new)
            self._queue.delete(new["metadata"]["uid"])
        elif _terminal(new):
            self.pod_deleted(old)
        elif self._responsible(new):
            self._waiting_updated(old, new)

    def pod_deleted(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if _assigned(pod):
            self._cache.remove_pod(uid)
            self._queue.move_all(ASSIGNED_POD_DELETE, pod, None)
            return
        if not self._responsible(pod):
            return
        self._queue.delete(uid)
        if self._cache.is_assumed(uid):
            self._assumed_deleted(uid)
        elif nominated_node(pod):
            self._nomination_freed(pod)

    def _assigned_added(self, pod: Object) -> None:
        if _terminal(pod):
            self._cache.remove_pod(pod["metadata"]["uid"])
            return
        self._cache.add_pod(pod)
        self._queue.move_all(ASSIGNED_POD_ADD, None, pod)

    def _assigned_updated(self, old: Object, new: Object) -> None:
        if _terminal(new):
            if not _terminal(old):
                self._cache.remove_pod(new["metadata"]["uid"])
                self._queue.move_all(ASSIGNED_POD_DELETE, old, None)
            return
        self._cache.update_pod(new)
        for event in events.pod_changes(new, old, target=False):
            self._queue.move_all(event, old, new)

    def _waiting_updated(self, old: Object, new: Object) -> None:
        uid = new["metadata"]["uid"]
        if old["metadata"].get("resourceVersion") == new["metadata"].get("resourceVersion"):
            return
        if self._cache.is_assumed(uid):
            if new["metadata"].get("deletionTimestamp") and not old["metadata"].get("deletionTimestamp"):
                self._assumed_deleted(uid)
            return
        self._queue.update(old, new)
        if nominated_node(old) and nominated_node(old) != nominated_node(new):
            self._nomination_freed(old)

    def _assumed_deleted(self, uid: str) -> None:
        """An assumed pod goes: its place is free at once. Its binding, if under way, fails by itself."""
        pod = self._cache.get_pod(uid)
        if pod is None:
            return
        profile = self._profiles[pod.pod["spec"]["schedulerName"]]
        if not profile.reject_waiting(uid):
            self._cache.forget(uid)
        self._queue.move_all(ASSIGNED_POD_DELETE, pod.pod, None)

    def _nomination_freed(self, pod: Object) -> None:
        """Pods of no higher priority took a nominated pod for one that runs."""
        priority = pod["spec"].get("priority") or 0
        self._queue.move_all(ASSIGNED_POD_DELETE, pod, None, lambda waiting: waiting.priority <= priority)


def _assigned(pod: Object) -> bool:
    return bool(pod["spec"].get("nodeName"))


def _terminal(pod: Object) -> bool:
    """Finished pods use nothing; upstream's informer does not even see them (field selector on status.phase)."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
