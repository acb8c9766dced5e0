"""The templates a StatefulSet has had, as ControllerRevisions (upstream pkg/controller/history and stateful_set_control.go)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from apiserver.apimachinery import labels, objects
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object, controller_of
from apiserver.client.lister import Lister
from apiserver.client.resources import ResourceClient
from controllers.framework.ownership import (
    ControllerReferences,
    controller_reference,
    fresh_owner_check,
    owned_or_orphaned,
)
from controllers.framework.revisions import by_revision, data_hash, in_key_order
from controllers.loops.statefulset import facts

HASH = "controller.kubernetes.io/hash"
LONGEST_PREFIX = 223  # characters of the set's name in the revision's


@dataclass
class Revisions:
    """All of a set's revisions, oldest first; which one its pods were on, which one they go to."""

    all: list[Object]
    current: Object
    update: Object
    collisions: int

    def template(self, revision: Object) -> Object:
        return {k: v for k, v in revision["data"]["spec"]["template"].items() if k != "$patch"}


def data_of(stateful_set: Object) -> Object:
    """The patch that brings the template back."""
    return {"spec": {"template": {**stateful_set["spec"]["template"], "$patch": "replace"}}}


class History:
    """Finds, adopts, makes, numbers and clears the revisions of StatefulSets."""

    def __init__(self, revisions: ResourceClient, known: Lister, sets: ResourceClient) -> None:
        self.revisions = revisions
        self.known = known
        self.sets = sets

    async def find(self, stateful_set: Object) -> Revisions:
        found = sorted(await self._claim(stateful_set), key=by_revision)
        data = data_of(stateful_set)
        equal = [revision for revision in found if revision.get("data") == data]
        number = found[-1].get("revision", 0) + 1 if found else 1
        collisions = (stateful_set.get("status") or {}).get("collisionCount") or 0
        if equal and found[-1] is equal[-1]:
            update = equal[-1]
        elif equal:
            update = await self.revisions.update({**equal[-1], "revision": number})
        else:
            update, collisions = await self._create(stateful_set, data, number, collisions)
        wanted = (stateful_set.get("status") or {}).get("currentRevision")
        current = next((revision for revision in found if revision["metadata"]["name"] == wanted), update)
        return Revisions(found, current, update, collisions)

    async def _claim(self, stateful_set: Object) -> list[Object]:
        """The set's revisions, orphans that match it adopted. None is ever released."""
        selector = labels.from_label_selector(stateful_set["spec"]["selector"])
        candidates = [
            revision
            for revision in owned_or_orphaned(self.known, stateful_set)
            if selector.matches(objects.labels_of(revision))
        ]
        if all(controller_of(revision) is not None for revision in candidates):
            return candidates
        reference = controller_reference(stateful_set, facts.API_VERSION, facts.KIND)
        can_adopt = fresh_owner_check(self.sets, stateful_set)
        references = ControllerReferences(self.revisions, stateful_set, reference, selector, can_adopt)
        return await references.claim(candidates)

    async def _create(self, stateful_set: Object, data: Object, number: int, collisions: int) -> tuple[Object, int]:
        """A new revision; a name that is taken by another template is a collision, and the next one is tried."""
        meta = stateful_set["metadata"]
        made: dict[str, Any] = {
            "namespace": meta["namespace"],
            "labels": {
                **objects.labels_of(stateful_set["spec"]["template"]),
                HASH: data_hash(data, collisions),
            },
            "ownerReferences": [controller_reference(stateful_set, facts.API_VERSION, facts.KIND)],
        }
        if objects.annotations_of(stateful_set):
            made["annotations"] = dict(objects.annotations_of(stateful_set))
        while True:
            name = f"{meta['name'][:LONGEST_PREFIX]}-{data_hash(data, collisions)}"
            revision = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {**made, "name": name}}
            try:
                created = await self.revisions.create(
                    {**revision, "data": in_key_order(data), "revision": number}, meta["namespace"]
                )
                return created, collisions
            except StatusError as error:
                if error.reason != "AlreadyExists":
                    raise
            existing = await self.revisions.get(name, meta["namespace"])
            if existing.get("data") == data:
                return existing, collisions
            collisions += 1

    async def truncate(self, stateful_set: Object, revisions: Revisions, pods: Iterable[Object]) -> None:
        """Keep only so many revisions as the limit says, and those that are in use."""
        live = {facts.revision(pod) for pod in pods}
        live |= {revisions.current["metadata"]["name"], revisions.update["metadata"]["name"]}
        idle = [revision for revision in revisions.all if revision["metadata"]["name"] not in live]
        limit = int(stateful_set["spec"].get("revisionHistoryLimit", 10))
        for revision in idle[: max(len(idle) - limit, 0)]:
            await self.revisions.delete(revision["metadata"]["name"], revision["metadata"]["namespace"])
