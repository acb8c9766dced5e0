"""ReplicaSets and ReplicationControllers have as many pods as they ask for.

Mirrors upstream pkg/controller/replicaset; replication controllers are the same loop over another kind, as there.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from apiserver.apimachinery import labels, objects
from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.objects import Object, controller_of
from apiserver.client.informer import Handler
from controllers.framework import pods as pod_facts
from controllers.framework.batches import slow_start
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request, Result, request_of
from controllers.framework.errors import namespace_terminating
from controllers.framework.expectations import Expectations
from controllers.framework.kinds import PODS, REPLICA_SETS, REPLICATION_CONTROLLERS
from controllers.framework.manager import Loop
from controllers.framework.ownership import (
    CONTROLLER,
    ControllerReferences,
    controller_reference,
    controller_uid,
    fresh_owner_check,
    is_controlled_by,
    owned_or_orphaned,
)
from controllers.framework.pod_control import PodControl
from controllers.framework.status import write_status

BURST = 500  # upstream BurstReplicas: pods created or deleted in one go
WORKERS = 5
STATUS_TRIES = 2
# Seconds for each replica of a set to wait after a change of one of its pods: a look at the set costs some 5 µs a pod, so
# that a thousand pods that start one after the other keep this loop busy for 5 % of the time and not for all of it.
SETTLE_PER_POD = 0.0002


@dataclass(frozen=True)
class Kind:
    """Which kind of set: everything that differs between the two."""

    resource: GroupVersionResource
    api_version: str
    kind: str
    component: str

    def selector(self, owner: Object) -> labels.Selector:
        wanted = owner["spec"].get("selector")
        if self.kind == "ReplicationController":
            return labels.from_label_selector({"matchLabels": wanted} if wanted else None)
        return labels.from_label_selector(wanted)


REPLICA_SET = Kind(REPLICA_SETS, "apps/v1", "ReplicaSet", "replicaset-controller")
REPLICATION_CONTROLLER = Kind(REPLICATION_CONTROLLERS, "v1", "ReplicationController", "replication-controller")


def status_of(
    owner: Object, active: list[Object], terminating: int, failure: Exception | None, now: float, *, shrank: bool
) -> dict[str, Any]:
    """The status that what was found amounts to (upstream replica_set_utils.go calculateStatus)."""
    spec, old = owner["spec"], owner.get("status") or {}
    template_labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    min_ready = spec.get("minReadySeconds") or 0
    status: dict[str, Any] = {"replicas": len(active)}
    ready = [pod for pod in active if pod_facts.is_ready(pod)]
    counts = {
        "fullyLabeledReplicas": sum(template_labels.items() <= objects.labels_of(pod).items() for pod in active),
        "readyReplicas": len(ready),
        "availableReplicas": sum(pod_facts.is_available(pod, min_ready, now) for pod in ready)
        if min_ready
        else len(ready),
    }
    status |= {name: count for name, count in counts.items() if count}
    if owner["kind"] == "ReplicaSet":
        status["terminatingReplicas"] = terminating
    status["observedGeneration"] = owner["metadata"].get("generation", 0)
    conditions = [c for c in old.get("conditions") or () if c["type"] != "ReplicaFailure"]
    if failure is not None:
        conditions.append(_failure_condition(old, failure, now, shrank=shrank))
    if conditions:
        status["conditions"] = conditions
    return status


def _failure_condition(old: dict[str, Any], failure: Exception, now: float, *, shrank: bool) -> dict[str, Any]:
    for condition in old.get("conditions") or ():
        if condition["type"] == "ReplicaFailure":
            return condition  # type: ignore[no-any-return]
    return {
        "type": "ReplicaFailure",
        "status": "True",
        "lastTransitionTime": rfc3339(now),
        "reason": "FailedDelete" if shrank else "FailedCreate",
        "message": str(failure),
    }


class ReplicaSets:
    """Requests are sets."""

    def __init__(self, context: Context, kind: Kind) -> None:
        self.kind = kind
        self.clock = context.clock
        self.sets = context.resource(kind.resource)
        sets = context.informer(kind.resource)
        sets.add_index(CONTROLLER, controller_uid)
        self.known = sets.lister
        self.pods = context.resource(PODS)
        informer = context.informer(PODS)
        informer.add_index(CONTROLLER, controller_uid)
        self.known_pods = informer.lister
        self.control = PodControl(self.pods, context.recorder(kind.component))
        self.expectations = Expectations[Request]()

    async def reconcile(self, request: Request) -> Result | None:
        owner = self.known.get(*request)
        if owner is None:
            self.expectations.forget(request)
            return None
        owner = {"apiVersion": self.kind.api_version, "kind": self.kind.kind, **owner}
        may_act = self.expectations.satisfied(request)
        pods = owned_or_orphaned(self.known_pods, owner)
        active = await self._claim(owner, [pod for pod in pods if pod_facts.is_active(pod)])
        terminating = self._terminating(owner, pods)
        wanted = owner["spec"].get("replicas", 1)
        failure: Exception | None = None
        if may_act and not owner["metadata"].get("deletionTimestamp"):
            failure = await self._scale(request, owner, active, wanted)
        now = self.clock.now()
        status = status_of(owner, active, terminating, failure, now, shrank=len(active) > wanted)
        await self._write_status(owner, status)
        if failure is not None:
            raise failure
        return self._when_available(owner, active, status, now)

    def _when_available(self, owner: Object, active: list[Object], status: dict[str, Any], now: float) -> Result | None:
        """Look again when the next ready pod becomes available by the passing of time alone."""
        min_ready = owner["spec"].get("minReadySeconds") or 0
        if not min_ready or status.get("readyReplicas", 0) == status.get("availableReplicas", 0):
            return None
        after = pod_facts.next_available(active, min_ready, now)
        return Result(after=after) if after is not None else None

    async def _claim(self, owner: Object, candidates: list[Object]) -> list[Object]:
        """The owner's pods; orphans that match its selector are adopted, pods that do not any more released."""
        reference = controller_reference(owner, self.kind.api_version, self.kind.kind)
        selector, can_adopt = self.kind.selector(owner), fresh_owner_check(self.sets, owner)
        return await ControllerReferences(self.pods, owner, reference, selector, can_adopt).claim(candidates)

    def _terminating(self, owner: Object, pods: list[Object]) -> int:
        """How many of the owner's pods are on their way out. Those are neither adopted nor released."""
        leaving = [pod for pod in pods if pod_facts.is_terminating(pod) and is_controlled_by(pod, owner)]
        selector = self.kind.selector(owner)
        return sum(selector.matches(objects.labels_of(pod)) for pod in leaving)

    async def _scale(self, request: Request, owner: Object, active: list[Object], wanted: int) -> Exception | None:
        missing = wanted - len(active)
        if missing > 0:
            return await self._create(request, owner, min(missing, BURST))
        if missing < 0:
            return await self._delete(request, owner, active, min(-missing, BURST))
        return None

    async def _create(self, request: Request, owner: Object, count: int) -> Exception | None:
        reference = controller_reference(owner, self.kind.api_version, self.kind.kind)
        self.expectations.expect_creations(request, count)

        async def create() -> None:
            await self.control.create(pod_facts.from_template(owner["spec"]["template"], owner, reference), owner)

        created, failure = await slow_start(count, create)
        self.expectations.creations_failed(request, count - created)
        if isinstance(failure, StatusError) and namespace_terminating(failure):
            return None
        return failure

    async def _delete(self, request: Request, owner: Object, active: list[Object], count: int) -> Exception | None:
        victims = self._victims(owner, active, count)
        self.expectations.expect_deletions(request, [pod["metadata"]["uid"] for pod in victims])
        outcomes = await asyncio.gather(*(self._delete_one(request, owner, pod) for pod in victims))
        return next((error for error in outcomes if error is not None), None)

    async def _delete_one(self, request: Request, owner: Object, pod: Object) -> Exception | None:
        try:
            await self.control.delete(pod, owner)
        except (StatusError, ConnectionError, TimeoutError, OSError) as error:
            self.expectations.deletion_observed(request, pod["metadata"]["uid"])
            return None if isinstance(error, StatusError) and error.code == 404 else error
        return None

    def _victims(self, owner: Object, active: list[Object], count: int) -> list[Object]:
        """Which pods go: the ranking also counts the pods of sister sets (same owner) on each node."""
        if count >= len(active):
            return active
        per_node = Counter(pod["spec"].get("nodeName", "") for pod in self._related(owner) if pod_facts.is_active(pod))
        ordered = pod_facts.deletion_order(
            active,
            lambda pod: per_node[pod["spec"].get("nodeName", "")],
            self.clock.now(),
            lambda pod: pod["metadata"]["uid"],
        )
        return ordered[:count]

    def _related(self, owner: Object) -> Iterable[Object]:
        controller = controller_of(owner)
        uids = [owner["metadata"]["uid"]]
        if controller is not None:
            uids = [sister["metadata"]["uid"] for sister in self.known.by_index(CONTROLLER, controller["uid"])]
        for uid in uids:
            yield from self.known_pods.by_index(CONTROLLER, uid)

    async def _write_status(self, owner: Object, status: dict[str, Any]) -> None:
        """Write the status when it differs; a lost race is tried once more on the newest object, as upstream."""
        current = {k: v for k, v in (owner.get("status") or {}).items() if v not in (0, None, [])}
        if current == {k: v for k, v in status.items() if v not in (0, None, [])}:
            return
        await write_status(self.sets, owner, status, STATUS_TRIES)


class _Changes:
    """What a change of a pod or of a set means for the sets: observed expectations and queued requests."""

    def __init__(self, controller: Controller, reconciler: ReplicaSets) -> None:
        self.queue = controller.queue
        self.reconciler = reconciler
        self.kind = reconciler.kind

    def handler(self) -> Handler:
        return Handler(added=self.added, updated=self.updated, deleted=self.deleted)

    def _owner(self, pod: Object) -> Object | None:
        """The set that controls the pod, if it is of this kind and still there."""
        reference = controller_of(pod)
        if reference is None or reference["kind"] != self.kind.kind or reference["apiVersion"] != self.kind.api_version:
            return None
        owner = self.reconciler.known.get(pod["metadata"]["namespace"], reference["name"])
        return owner if owner is not None and owner["metadata"]["uid"] == reference["uid"] else None

    def _look_soon(self, owner: Object) -> None:
        self.queue.add_after(request_of(owner), owner["spec"].get("replicas", 1) * SETTLE_PER_POD)

    def owner_updated(self, old: Object, owner: Object) -> None:
        """A new status is mostly our own: it waits for what changes of pods bring anyway."""
        if old["metadata"].get("generation") == owner["metadata"].get("generation") and owner.get("status"):
            self._look_soon(owner)
        else:
            self.queue.add(request_of(owner))

    def _adopters(self, pod: Object) -> Iterable[Request]:
        """The sets an orphan could belong to."""
        for owner in self.reconciler.known.list(pod["metadata"]["namespace"]):
            selector = self.kind.selector(owner)
            if not selector.empty and selector.matches(objects.labels_of(pod)):
                yield request_of(owner)

    def added(self, pod: Object) -> None:
        if pod["metadata"].get("deletionTimestamp"):
            self.deleted(pod)
            return
        if (owner := self._owner(pod)) is not None:
            self.reconciler.expectations.creation_observed(request_of(owner))
            self._look_soon(owner)
        elif controller_of(pod) is None:
            for request in self._adopters(pod):
                self.queue.add(request)

    def updated(self, old: Object, pod: Object) -> None:
        if old["metadata"]["resourceVersion"] == pod["metadata"]["resourceVersion"]:
            return
        if pod["metadata"].get("deletionTimestamp"):
            # Not when the pod is gone but now: another one is wanted at once.
            self.deleted(pod)
            return
        before, owner = self._owner(old), self._owner(pod)
        if before is not None and before is not owner:
            self.queue.add(request_of(before))
        if owner is not None:
            self._look_soon(owner)
        elif controller_of(pod) is None and (
            objects.labels_of(old) != objects.labels_of(pod) or controller_of(old) is not None
        ):
            for request in self._adopters(pod):
                self.queue.add(request)

    def deleted(self, pod: Object) -> None:
        if (owner := self._owner(pod)) is not None:
            self.reconciler.expectations.deletion_observed(request_of(owner), pod["metadata"]["uid"])
            self._look_soon(owner)


def _build(context: Context, kind: Kind) -> Loop:
    reconciler = ReplicaSets(context, kind)
    controller = Controller(kind.component, reconciler, workers=WORKERS)
    sets = context.informer(kind.resource)
    # A set that is made anew under its name expects nothing of what the one before it asked for.
    sets.add_handler(Handler(deleted=lambda gone: reconciler.expectations.forget(request_of(gone))))
    changes = _Changes(controller, reconciler)
    sets.add_handler(Handler(lambda new: controller.queue.add(request_of(new)), changes.owner_updated))
    controller.needs(sets)
    informer = context.informer(PODS)
    informer.add_handler(changes.handler())
    controller.needs(informer)
    return controller


def build(context: Context) -> Loop:
    return _build(context, REPLICA_SET)


def build_replication(context: Context) -> Loop:
    return _build(context, REPLICATION_CONTROLLER)
