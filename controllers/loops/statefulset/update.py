"""One look at one StatefulSet: which of its pods to make, mend, take away or replace now.

In order, each pod waits until those before it are there and available; `Parallel` sets wait for nobody.
Mirrors updateStatefulSet in upstream pkg/controller/statefulset/stateful_set_control.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from apiserver.apimachinery import objects
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from controllers.framework import pods as pod_facts
from controllers.framework.controller import request_of
from controllers.loops.statefulset import facts
from controllers.loops.statefulset.history import Revisions

if TYPE_CHECKING:
    from controllers.loops.statefulset.controller import StatefulSets

MAX_BATCH = 500
UPDATE_TRIES = 5


class Update:
    """`run` acts once; `counts` tells what there is then."""

    def __init__(self, loop: StatefulSets, stateful_set: Object, revisions: Revisions, pods: list[Object]) -> None:
        self.loop = loop
        self.set = stateful_set
        self.revisions = revisions
        self.now = loop.clock.now()
        self.ordered = not facts.is_parallel(stateful_set)
        there = {facts.ordinal(pod): pod for pod in pods}
        self.replicas = [there.get(i) or self._new_pod(i) for i in facts.ordinals(stateful_set)]
        wanted = facts.ordinals(stateful_set)
        beyond = [pod for pod in pods if facts.ordinal(pod) >= 0 and facts.ordinal(pod) not in wanted]
        self.condemned = sorted(beyond, key=facts.ordinal, reverse=True)
        self._given_up = 0  # pods of the current revision that were deleted for the update just now

    def _new_pod(self, index: int) -> Object:
        chosen = self.revisions.current if facts.keeps_current(self.set, index) else self.revisions.update
        template = self.revisions.template(chosen)
        return facts.new_pod(self.set, template, index, chosen["metadata"]["name"])

    def counts(self) -> dict[str, int]:
        names = (self.revisions.current["metadata"]["name"], self.revisions.update["metadata"]["name"])
        found = facts.counts(self.set, [*self.replicas, *self.condemned], *names, self.now)
        found["currentReplicas"] = max(found["currentReplicas"] - self._given_up, 0)
        return found

    async def run(self) -> None:
        if self.set["metadata"].get("deletionTimestamp"):
            return
        for pods, act in (
            (range(len(self.replicas)), self._keep),
            (range(len(self.condemned)), self._settle_condemned),
            (range(len(self.condemned)), self._take_away),
        ):
            if await self._for_each(pods, act):
                return
        if facts.strategy(self.set) == "RollingUpdate":
            await self._replace_old()

    async def _for_each(self, indexes: Sequence[int], act: Callable[[int], Awaitable[bool]]) -> bool:
        """Do `act` for each; whether to stop here. In order: one after the other, until one says so (True: wait).
        Otherwise in growing batches, until one fails."""
        if self.ordered:
            for index in indexes:
                if await act(index):
                    return True
            return False
        position, size = 0, 1
        while position < len(indexes):
            batch = indexes[position : position + size]
            outcomes = await asyncio.gather(*(act(index) for index in batch), return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
            position, size = position + size, min(2 * size, MAX_BATCH)
        return False

    # Pods that should be there

    async def _keep(self, index: int) -> bool:
        """Bring one pod about; True: those after it have to wait."""
        pod = self.replicas[index]
        if facts.is_over(pod):
            if not facts.is_terminating(pod):
                await self._delete(pod)
            return True
        if not facts.is_created(pod):
            if self.loop.claims.are_stale(self.set, pod):
                return True
            await self._create(index, pod)
            if self.ordered:
                return True
        if pod_facts.phase(pod) == "Pending":
            await self._create_claims(pod)
        if self.ordered and not self._is_settled(pod):
            return True
        if not self._is_itself(pod):
            await self._mend(pod)
        return False

    def _is_settled(self, pod: Object) -> bool:
        """Running, ready and available, and not on its way out."""
        there = facts.runs_ready(pod) and not facts.is_terminating(pod)
        return there and facts.is_available(self.set, pod, self.now)

    def _is_itself(self, pod: Object) -> bool:
        """Name, labels, volumes and the claims' owners are as they should be."""
        if not facts.has_identity(self.set, pod) or not facts.has_storage(self.set, pod):
            return False
        return self.loop.claims.are_settled(self.set, pod)

    async def _create(self, index: int, pod: Object) -> None:
        try:
            await self.loop.claims.create_missing(self.set, pod)
            created = await self.loop.pods.create(pod, pod["metadata"]["namespace"])
        except StatusError as error:
            if error.reason != "AlreadyExists":
                self._tell("Create", pod, error)
            raise
        self.loop.wrote(request_of(self.set), created)
        self._tell("Create", pod, None)
        await self.loop.claims.settle(self.set, created)

    async def _create_claims(self, pod: Object) -> None:
        await self.loop.claims.create_missing(self.set, pod)
        await self.loop.claims.settle(self.set, pod)

    async def _mend(self, pod: Object) -> None:
        """Give the pod its labels, volumes and claims back."""
        mended = pod
        if not facts.has_identity(self.set, pod):
            mended = facts.with_identity(mended)
        if not facts.has_storage(self.set, pod):
            mended = facts.with_storage(self.set, mended)
            await self.loop.claims.create_missing(self.set, pod)
        await self.loop.claims.settle(self.set, pod)
        if mended is pod:
            return
        try:
            self.loop.wrote(request_of(self.set), await self.loop.pods.update(objects.copy(mended)))
        except StatusError as error:
            self._tell("Update", pod, error)
            raise
        self._tell("Update", pod, None)

    # Pods that should not be there

    async def _settle_condemned(self, index: int) -> bool:
        """A claim that is to go with its pod must belong to it before the pod is deleted."""
        pod = self.condemned[index]
        if not self.loop.claims.are_settled(self.set, pod):
            await self.loop.claims.settle(self.set, pod)
        return False

    async def _take_away(self, index: int) -> bool:
        """In order the highest goes first, and none while another one is not well, unless it is the first such itself."""
        pod = self.condemned[index]
        if facts.is_terminating(pod):
            return True
        if self.ordered and not self._is_settled(pod) and pod is not self._first_unavailable():
            return True
        await self._delete(pod)
        return True

    def _first_unavailable(self) -> Object | None:
        for pod in (*self.replicas, *reversed(self.condemned)):
            if facts.is_unavailable(self.set, pod, self.now):
                return pod
        return None

    async def _delete(self, pod: Object) -> None:
        meta = pod["metadata"]
        try:
            await self.loop.pods.delete(meta["name"], meta["namespace"])
        except StatusError as error:
            if error.code != 404:
                self._tell("Delete", pod, error)
                raise
        self._tell("Delete", pod, None)

    # Pods of another revision

    async def _replace_old(self) -> None:
        """Delete pods that are to be updated, the highest first, within maxUnavailable."""
        budget = facts.max_unavailable(self.set)
        down = [pod for pod in self.replicas if facts.is_unavailable(self.set, pod, self.now)]
        broken = [pod for pod in down if not self.ordered and self._is_old(pod)]
        if len(down) >= budget and not broken:
            return
        candidates = [pod for pod in reversed(self.replicas[facts.partition(self.set) :]) if self._is_old(pod)]
        left = max(budget - len(down), 0)
        if self.ordered:
            chosen = candidates[:left]
        else:
            # What is down anyway costs nothing.
            well = [pod for pod in candidates if not facts.is_unavailable(self.set, pod, self.now)]
            chosen = [pod for pod in candidates if pod not in well] + well[:left]
        for pod in chosen:
            await self._delete(pod)
            self._given_up += 1

    def _is_old(self, pod: Object) -> bool:
        return facts.revision(pod) != self.revisions.update["metadata"]["name"] and not facts.is_terminating(pod)

    def _tell(self, verb: str, pod: Object, error: StatusError | None) -> None:
        what = f"{verb} Pod {pod['metadata']['name']} in StatefulSet {self.set['metadata']['name']}"
        if error is None:
            self.loop.recorder.event(self.set, "Normal", f"Successful{verb}", f"{what} successful")
        else:
            self.loop.recorder.event(self.set, "Warning", f"Failed{verb}", f"{what} failed error: {error.message}")
