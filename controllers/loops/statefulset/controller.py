"""StatefulSets keep pods with names: in order one after the other, or all at once, each with claims of its own.

Mirrors upstream pkg/controller/statefulset.
"""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery import labels
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from controllers.framework import pods as pod_facts
from controllers.framework.context import Context
from controllers.framework.controller import Request, Result
from controllers.framework.kinds import CONTROLLER_REVISIONS, PERSISTENT_VOLUME_CLAIMS, PODS, STATEFUL_SETS
from controllers.framework.ownership import (
    CONTROLLER,
    ControllerReferences,
    controller_reference,
    controller_uid,
    fresh_owner_check,
    owned_or_orphaned,
)
from controllers.framework.status import write_status
from controllers.loops.statefulset import facts
from controllers.loops.statefulset.claims import Claims
from controllers.loops.statefulset.history import History, Revisions
from controllers.loops.statefulset.update import Update

COMPONENT = "statefulset-controller"
BEHIND = 0.1  # seconds until the next look when the informer has not shown our own pods yet
STATUS_TRIES = 5


class StatefulSets:
    """Requests are stateful sets."""

    def __init__(self, context: Context) -> None:
        self.clock = context.clock
        self.sets = context.resource(STATEFUL_SETS)
        self.known = context.informer(STATEFUL_SETS).lister
        self.pods = context.resource(PODS)
        self._pod_informer = context.informer(PODS)
        revisions = context.informer(CONTROLLER_REVISIONS)
        for informer in (self._pod_informer, revisions):
            informer.add_index(CONTROLLER, controller_uid)
        self.known_pods = self._pod_informer.lister
        self.recorder = context.recorder(COMPONENT)
        claims = context.informer(PERSISTENT_VOLUME_CLAIMS).lister
        self.claims = Claims(context.resource(PERSISTENT_VOLUME_CLAIMS), claims, self.recorder)
        self.history = History(context.resource(CONTROLLER_REVISIONS), revisions.lister, self.sets)
        self._written: dict[Request, int] = {}  # resourceVersion of the last pod that we wrote

    async def reconcile(self, request: Request) -> Result | None:
        known = self.known.get(*request)
        if known is None:
            self._written.pop(request, None)
            return None
        if self._is_behind(request):
            return Result(after=BEHIND)
        stateful_set: Object = {**known, "apiVersion": facts.API_VERSION, "kind": facts.KIND}
        pods = await self._claim(stateful_set)
        revisions = await self.history.find(stateful_set)
        update = Update(self, stateful_set, revisions, pods)
        failure: Exception | None = None
        try:
            await update.run()
        except (StatusError, ConnectionError, TimeoutError, OSError) as error:
            failure = error
        await self._write_status(stateful_set, self._status(stateful_set, revisions, update))
        await self.history.truncate(stateful_set, revisions, pods)
        if failure is not None:
            raise failure
        min_ready = facts.min_ready(stateful_set)
        after = pod_facts.next_available(pods, min_ready, self.clock.now()) if min_ready else None
        return Result(after=after) if after is not None else None

    def _is_behind(self, request: Request) -> bool:
        """Does the informer of pods show things as they were before our last write? Acting then would do it twice."""
        reflector = self._pod_informer.reflector
        seen = reflector.revision if reflector is not None else ""
        return bool(seen) and int(seen) < self._written.get(request, 0)

    def wrote(self, request: Request, pod: Object) -> None:
        self._written[request] = max(self._written.get(request, 0), int(pod["metadata"]["resourceVersion"]))

    async def _claim(self, stateful_set: Object) -> list[Object]:
        """The set's pods: by owner, selector, and name."""
        selector = labels.from_label_selector(stateful_set["spec"]["selector"])
        reference = controller_reference(stateful_set, facts.API_VERSION, facts.KIND)
        can_adopt = fresh_owner_check(self.sets, stateful_set)
        references = ControllerReferences(self.pods, stateful_set, reference, selector, can_adopt)
        candidates = owned_or_orphaned(self.known_pods, stateful_set)
        return await references.claim(candidates, lambda pod: facts.is_member(stateful_set, pod))

    def _status(self, stateful_set: Object, revisions: Revisions, update: Update) -> dict[str, Any]:
        status: dict[str, Any] = {
            "observedGeneration": stateful_set["metadata"].get("generation", 0),
            "currentRevision": revisions.current["metadata"]["name"],
            "updateRevision": revisions.update["metadata"]["name"],
            "collisionCount": revisions.collisions,
            **update.counts(),
        }
        if before := (stateful_set.get("status") or {}).get("conditions"):
            status["conditions"] = before
        facts.complete(stateful_set, status)
        return status

    async def _write_status(self, stateful_set: Object, status: dict[str, Any]) -> None:
        """Write the status when it differs; a lost race is tried again on the newest object."""
        wire, before = facts.plain_status(status), stateful_set.get("status") or {}
        if wire == {**facts.plain_status(before), "collisionCount": wire["collisionCount"]}:
            return
        await write_status(self.sets, stateful_set, wire, STATUS_TRIES)
