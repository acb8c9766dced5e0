"""The garbage collector: objects whose owners are gone go too, as the deletion's propagation policy says.

Mirrors upstream pkg/controller/garbagecollector. Monitors (metadata-only informers over everything that can be deleted)
feed the graph; two queues work on its nodes. What the graph says is always checked against the server before it is acted on.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersion, GroupVersionResource
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.client.discovery import DiscoveryIncomplete, ServedResource, served_resources
from apiserver.client.informer import Handler, Selection
from apiserver.client.resources import MERGE_PATCH, ResourceClient
from apiserver.client.workqueue import WorkQueue
from controllers.framework.context import Context
from controllers.loops.garbage_collector.graph import FOREGROUND, ORPHAN, Graph, Node, finalizers_of

log = logging.getLogger(__name__)

NAME = "garbage-collector-controller"
WORKERS = 20
RESYNC = 30.0  # seconds between looks at discovery
IGNORED = {("", "events"), ("events.k8s.io", "events")}


class Unresolvable(Exception):
    """An owner reference names a kind that is not served (now)."""


class GarbageCollector:
    """A loop with a rhythm of its own: monitors follow discovery, workers follow the queues."""

    name = NAME

    def __init__(self, context: Context) -> None:
        self.context = context
        self.to_delete = WorkQueue[str]()  # uids
        self.to_orphan = WorkQueue[str]()
        self.graph = Graph(
            lambda node: self.to_delete.add(node.identity.uid),
            lambda node: self.to_orphan.add(node.identity.uid),
            self._report_misplaced,
        )
        self._served: dict[GroupVersionResource, ServedResource] = {}
        self._by_kind: dict[tuple[str, str], ServedResource] = {}  # (apiVersion, kind)
        self._monitored: dict[GroupVersionResource, Selection] = {}

    @property
    def idle(self) -> bool:
        return self.to_delete.idle and self.to_orphan.idle

    async def run(self) -> None:
        tasks = TaskOwner(self.name)
        try:
            await self._sync_monitors()
            await self.context.informers.wait_synced()
            work = [tasks.create_task(self._follow_discovery(), name="gc-discovery")]
            for i in range(WORKERS):
                work.append(tasks.create_task(self._work(self.to_delete, self._attempt_to_delete), name=f"gc-{i}"))
                work.append(tasks.create_task(self._work(self.to_orphan, self._attempt_to_orphan), name=f"orphan-{i}"))
            await asyncio.gather(*work)
        finally:
            await tasks.close()

    # Monitors

    async def _follow_discovery(self) -> None:
        while True:
            await asyncio.sleep(RESYNC)
            try:
                await self._sync_monitors()
            except (StatusError, ConnectionError, TimeoutError, OSError) as error:
                log.info("discovery failed", extra={"error": str(error)})

    async def _sync_monitors(self) -> None:
        """Watch every resource that can be deleted, listed and watched; stop watching what is no longer served."""
        complete = True
        try:
            served = await served_resources(self.context.client)
        except DiscoveryIncomplete as error:
            served, complete = error.resources, False
        wanted = {r.gvr: r for r in served if {"delete", "list", "watch"} <= set(r.verbs)}
        self._served = wanted if complete else self._served | wanted
        self._by_kind = {(r.kind.api_version, r.kind.kind): r for r in self._served.values()}
        for gvr, resource in wanted.items():
            if gvr not in self._monitored and (gvr.group, gvr.resource) not in IGNORED:
                self._monitor(resource)
        for gvr in [g for g in self._monitored if g not in self._served]:
            await self._stop_monitor(gvr)
        self.context.informers.start()

    def _monitor(self, resource: ServedResource) -> None:
        selection = Selection(resource.gvr, metadata_only=True)
        self._monitored[resource.gvr] = selection
        api_version, kind = resource.kind.api_version, resource.kind.kind
        self.context.informer(resource.gvr, metadata_only=True).add_handler(
            Handler(
                added=lambda obj: self.graph.observe(None, obj, api_version, kind),
                updated=lambda old, obj: self.graph.observe(old, obj, api_version, kind),
                deleted=lambda obj: self.graph.forget(obj["metadata"]["uid"]),
            )
        )

    async def _stop_monitor(self, gvr: GroupVersionResource) -> None:
        await self.context.informers.stop(self._monitored.pop(gvr))
        for uid in [u for u, node in self.graph.nodes.items() if self._resource_or_none(node) is None]:
            self.graph.forget(uid)

    def _resource_or_none(self, node: Node) -> ServedResource | None:
        return self._by_kind.get((node.identity.api_version, node.identity.kind))

    def _resource(self, api_version: str, kind: str) -> ServedResource:
        """The served resource of a kind, in the version asked for or another of its group. Raises Unresolvable."""
        found = self._by_kind.get((api_version, kind))
        if found is None:
            group = GroupVersion.parse(api_version).group
            found = next((r for r in self._served.values() if r.kind.group == group and r.kind.kind == kind), None)
        if found is None:
            raise Unresolvable(f'no matches for kind "{kind}" in version "{api_version}"')
        return found

    def _client(self, node: Node) -> tuple[ResourceClient, str]:
        """The client of a node's resource, and its namespace (none for cluster-scoped kinds)."""
        resource = self._resource(node.identity.api_version, node.identity.kind)
        return self.context.resource(resource.gvr), node.identity.namespace if resource.namespaced else ""

    # Work

    async def _work(self, queue: WorkQueue[str], attempt: Any) -> None:
        while (uid := await queue.get()) is not None:
            node = self.graph.nodes.get(uid)
            try:
                if node is not None:
                    await attempt(node)
                queue.forget(uid)
            except Unresolvable as error:
                log.info("owner kind not served", extra={"error": str(error)})
                queue.add_rate_limited(uid)
            except (StatusError, ConnectionError, TimeoutError, OSError) as error:
                log.info("collecting failed", extra={"node": str(node and node.identity), "error": str(error)})
                queue.add_rate_limited(uid)
            except Exception:
                log.exception("collecting failed", extra={"node": str(node and node.identity)})
                queue.add_rate_limited(uid)
            finally:
                queue.done(uid)

    async def _live(self, node: Node) -> Object | None:
        """The object as the server has it now; None when it is gone or another took its name."""
        client, namespace = self._client(node)
        try:
            obj = await client.get(node.identity.name, namespace)
        except StatusError as error:
            if error.code == 404:
                return None
            raise
        return obj if obj["metadata"]["uid"] == node.identity.uid else None

    async def _attempt_to_delete(self, node: Node) -> None:
        if node.being_deleted and not node.deleting_dependents:
            return
        latest = await self._live(node)
        if latest is None:
            self.graph.forget(node.identity.uid)
            self.graph.mark_absent(node.identity.uid, node.identity.namespace)
            return
        if node.virtual:
            resource = self._resource(node.identity.api_version, node.identity.kind)
            self.graph.observe(None, latest, resource.kind.api_version, resource.kind.kind)
            return
        if node.deleting_dependents:
            await self._finish_foreground(node, latest)
            return
        await self._weigh_owners(node, latest)

    async def _finish_foreground(self, node: Node, latest: Object) -> None:
        """A foreground deletion is over when nothing blocks it any more."""
        blocking = node.blocking_dependents
        if not blocking:
            await self._remove_finalizer(node, latest, FOREGROUND)
            return
        for dependent in blocking:
            if not dependent.deleting_dependents:
                self.to_delete.add(dependent.identity.uid)

    async def _weigh_owners(self, node: Node, latest: Object) -> None:
        """Delete the object when no owner is left, or when the last ones wait for it to go."""
        references = latest["metadata"].get("ownerReferences") or []
        if not references:
            return
        solid, dangling, waiting = [], [], []
        for reference in references:
            owner = await self._owner(node, reference)
            if owner is None:
                dangling.append(reference)
            elif owner["metadata"].get("deletionTimestamp") and FOREGROUND in finalizers_of(owner):
                waiting.append(reference)
            else:
                solid.append(reference)
        if solid:
            if dangling or waiting:
                gone = {ref["uid"] for ref in (*dangling, *waiting)}
                await self._set_owners(node, latest, [ref for ref in references if ref["uid"] not in gone])
        elif waiting and node.dependents:
            if any(dependent.deleting_dependents for dependent in node.dependents.values()):
                # A circle of waiting: give way, or nobody ever goes (upstream garbagecollector.go).
                await self._set_owners(node, latest, [{**ref, "blockOwnerDeletion": False} for ref in references])
            await self._delete(node, latest, "Foreground")
        else:
            await self._delete(node, latest, _policy_of(latest))

    async def _owner(self, node: Node, reference: dict[str, Any]) -> Object | None:
        """The owner a reference means, or None when there is no such object."""
        if self.graph.is_absent(reference["uid"], node.identity.namespace):
            return None
        resource = self._resource(reference["apiVersion"], reference["kind"])
        if resource.namespaced and not node.identity.namespace:
            # A namespaced owner of a cluster-scoped object can never be found: nothing is done to the object.
            raise Unresolvable(f"{node.identity}: the owner {reference['kind']} {reference['name']} is namespaced")
        namespace = node.identity.namespace if resource.namespaced else ""
        try:
            owner = await self.context.resource(resource.gvr).get(reference["name"], namespace)
        except StatusError as error:
            if error.code != 404:
                raise
            owner = None
        if owner is None or owner["metadata"]["uid"] != reference["uid"]:
            self.graph.mark_absent(reference["uid"], namespace)
            return None
        return owner

    async def _attempt_to_orphan(self, node: Node) -> None:
        """Cut every dependent loose, then let the owner go."""
        uid = node.identity.uid
        for dependent in list(node.dependents.values()):
            latest = await self._live(dependent)
            if latest is None:
                continue
            references = latest["metadata"].get("ownerReferences") or []
            kept = [ref for ref in references if ref["uid"] != uid]
            if len(kept) != len(references):
                await self._set_owners(dependent, latest, kept)
        latest = await self._live(node)
        if latest is not None:
            await self._remove_finalizer(node, latest, ORPHAN)

    # Writes

    async def _patch_metadata(self, node: Node, latest: Object, patch: dict[str, Any]) -> None:
        client, namespace = self._client(node)
        meta = latest["metadata"]
        guarded = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"], **patch}
        try:
            await client.patch(node.identity.name, namespace, {"metadata": guarded}, type=MERGE_PATCH)
        except StatusError as error:
            if error.code != 404:
                raise

    async def _set_owners(self, node: Node, latest: Object, references: list[dict[str, Any]]) -> None:
        await self._patch_metadata(node, latest, {"ownerReferences": references or None})

    async def _remove_finalizer(self, node: Node, latest: Object, finalizer: str) -> None:
        kept = [f for f in finalizers_of(latest) if f != finalizer]
        if len(kept) != len(list(finalizers_of(latest))):
            await self._patch_metadata(node, latest, {"finalizers": kept or None})

    async def _delete(self, node: Node, latest: Object, policy: str) -> None:
        client, namespace = self._client(node)
        meta = latest["metadata"]
        try:
            await client.delete(
                node.identity.name,
                namespace,
                uid=meta["uid"],
                resource_version=meta["resourceVersion"],
                propagation=policy,
            )
        except StatusError as error:
            if error.code != 404:
                raise

    def _report_misplaced(self, node: Node, reference: dict[str, Any]) -> None:
        """Tell the dependent that its owner lives in another namespace, where owners cannot be."""
        identity = node.identity
        ref = f"{reference['apiVersion']}/{reference['kind']}"
        named = f"[{ref}, namespace: {identity.namespace}, name: {reference['name']}, uid: {reference['uid']}]"
        about = {
            "apiVersion": identity.api_version,
            "kind": identity.kind,
            "metadata": {"name": identity.name, "namespace": identity.namespace, "uid": identity.uid},
        }
        message = f'ownerRef {named} does not exist in namespace "{identity.namespace}"'
        self.context.recorder(NAME).event(about, "Warning", "OwnerRefInvalidNamespace", message)


def _policy_of(obj: Object) -> str:
    """How an object without owners goes: its own finalizers say it."""
    if ORPHAN in finalizers_of(obj):
        return "Orphan"
    return "Foreground" if FOREGROUND in finalizers_of(obj) else "Background"
