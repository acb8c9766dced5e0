"""The templates a DaemonSet has had, as ControllerRevisions (upstream pkg/controller/daemon/update.go)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apiserver.apimachinery import labels, objects
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.client.lister import Lister
from apiserver.client.resources import MERGE_PATCH, ResourceClient
from controllers.framework.ownership import (
    ControllerReferences,
    controller_reference,
    fresh_owner_check,
    owned_or_orphaned,
)
from controllers.framework.revisions import REVISION_HASH, by_revision, in_key_order, template_hash

API_VERSION, KIND = "apps/v1", "DaemonSet"


def data_of(daemon_set: Object) -> Object:
    """The patch that brings the template back."""
    return {"spec": {"template": {**daemon_set["spec"]["template"], "$patch": "replace"}}}


class History:
    """Finds, makes, numbers and clears the revisions of DaemonSets."""

    def __init__(
        self, revisions: ResourceClient, known: Lister, daemon_sets: ResourceClient, pods: ResourceClient
    ) -> None:
        self.revisions = revisions
        self.known = known
        self.daemon_sets = daemon_sets
        self.pods = pods

    async def construct(self, daemon_set: Object, pods: Iterable[Object]) -> tuple[Object, list[Object]]:
        """(the revision of the present template, made if need be; the others)."""
        current, old = list[Object](), list[Object]()
        data = data_of(daemon_set)
        for revision in await self._claim(daemon_set):
            (current if revision.get("data") == data else old).append(await self._labelled(revision))
        number = max((revision.get("revision", 0) for revision in old), default=0) + 1
        if not current:
            return await self._snapshot(daemon_set, number), old
        kept = await self._one_of(current, pods)
        if kept.get("revision", 0) < number:
            kept = await self.revisions.update({**kept, "revision": number})
        return kept, old

    async def _claim(self, daemon_set: Object) -> list[Object]:
        selector = labels.from_label_selector(daemon_set["spec"]["selector"])
        reference = controller_reference(daemon_set, API_VERSION, KIND)
        can_adopt = fresh_owner_check(self.daemon_sets, daemon_set)
        references = ControllerReferences(self.revisions, daemon_set, reference, selector, can_adopt)
        return await references.claim(owned_or_orphaned(self.known, daemon_set))

    async def _labelled(self, revision: Object) -> Object:
        """A revision without the hash label gets its name as one: that cannot clash."""
        has = objects.labels_of(revision)
        if REVISION_HASH in has:
            return revision
        meta = {**revision["metadata"], "labels": {**has, REVISION_HASH: revision["metadata"]["name"]}}
        return await self.revisions.update({**revision, "metadata": meta})

    async def _one_of(self, current: list[Object], pods: Iterable[Object]) -> Object:
        """Of several revisions of one template the newest stays; pods are labelled with it."""
        *others, kept = sorted(current, key=lambda revision: revision.get("revision", 0))
        if not others:
            return kept
        label = objects.labels_of(kept)[REVISION_HASH]
        for pod in pods:
            if objects.labels_of(pod).get(REVISION_HASH) != label:
                patch = {"metadata": {"labels": {REVISION_HASH: label}}}
                await self.pods.patch(pod["metadata"]["name"], pod["metadata"]["namespace"], patch, type=MERGE_PATCH)
        for revision in others:
            await self.revisions.delete(revision["metadata"]["name"], revision["metadata"]["namespace"])
        return kept

    async def _snapshot(self, daemon_set: Object, number: int) -> Object:
        meta, template = daemon_set["metadata"], daemon_set["spec"]["template"]
        short = template_hash(template, (daemon_set.get("status") or {}).get("collisionCount"))
        made: dict[str, Any] = {
            "name": f"{meta['name']}-{short}",
            "namespace": meta["namespace"],
            "labels": {**objects.labels_of(template), REVISION_HASH: short},
            "ownerReferences": [controller_reference(daemon_set, API_VERSION, KIND)],
        }
        if objects.annotations_of(daemon_set):
            made["annotations"] = dict(objects.annotations_of(daemon_set))
        data = data_of(daemon_set)
        revision = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": made}
        try:
            return await self.revisions.create(
                {**revision, "data": in_key_order(data), "revision": number}, meta["namespace"]
            )
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
            existing = await self.revisions.get(made["name"], meta["namespace"])
            if existing.get("data") == data:
                return existing
            await self._count_collision(daemon_set)
            raise

    async def _count_collision(self, daemon_set: Object) -> None:
        """The name is taken by another template: the next try has another name."""
        meta, seen = daemon_set["metadata"], (daemon_set.get("status") or {}).get("collisionCount")
        fresh = await self.daemon_sets.get(meta["name"], meta["namespace"])
        status = fresh.setdefault("status", {})
        if status.get("collisionCount") == seen:
            await self.daemon_sets.update_status({**fresh, "status": {**status, "collisionCount": (seen or 0) + 1}})

    async def clean_up(self, daemon_set: Object, old: list[Object], pods: Iterable[Object]) -> None:
        """Keep only so many old revisions as the limit says, and those that pods still carry."""
        surplus = len(old) - int(daemon_set["spec"].get("revisionHistoryLimit", 10))
        live = {objects.labels_of(pod).get(REVISION_HASH) for pod in pods}
        for revision in sorted(old, key=by_revision):
            if surplus <= 0:
                return
            if objects.labels_of(revision).get(REVISION_HASH) not in live:
                await self.revisions.delete(revision["metadata"]["name"], revision["metadata"]["namespace"])
                surplus -= 1
