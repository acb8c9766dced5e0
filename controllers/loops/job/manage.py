"""The pods of a Job: how many should run now, which of them go, with what labels and names new ones come.

Mirrors manageJob in upstream pkg/controller/job/job_controller.go.
"""

from __future__ import annotations

import asyncio
from collections import deque

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import STRATEGIC_PATCH
from controllers.framework import pods as pod_facts
from controllers.framework.batches import slow_start
from controllers.framework.controller import Request
from controllers.framework.errors import namespace_terminating
from controllers.framework.expectations import Expectations
from controllers.framework.ownership import controller_reference
from controllers.framework.pod_control import PodControl
from controllers.loops.job import facts, policies
from controllers.loops.job.backoff import remaining_of_index
from controllers.loops.job.indexes import Indexes
from controllers.loops.job.look import Look

BURST = 500  # upstream MaxPodCreateDeletePerSync
BATCH_PERIOD = 1.0  # seconds; upstream SyncJobBatchPeriod
MAX_GENERATE_NAME = 58  # upstream names.MaxGeneratedNameLength
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
NO_FINALIZER = {"metadata": {"$deleteFromPrimitiveList/finalizers": [facts.TRACKING]}}


def wanted_active(look: Look) -> int:
    """How many pods should be active. After a first success without a number of completions: those that are."""
    parallelism: int = look.job["spec"].get("parallelism", 1)
    count = facts.completions(look.job)
    if count is None:
        return look.active_count if look.succeeded > 0 else parallelism
    return max(min(count - look.succeeded, parallelism), 0)


def to_remove(look: Look, at_least: int, now: float) -> list[Object]:
    """Active pods that have to go: those with a wrong or a doubled index, then those that are lost most easily."""
    surplus, rest = list[Object](), list(look.active)
    if facts.is_indexed(look.job):
        surplus, rest = _doubled(look, now)
    if len(surplus) < at_least:
        surplus += _by_loss(rest, now)[: at_least - len(surplus)]
    return surplus


def _by_loss(pods: list[Object], now: float) -> list[Object]:
    return pod_facts.deletion_order(pods, lambda pod: 0, now, lambda pod: pod["metadata"]["uid"])


def _doubled(look: Look, now: float) -> tuple[list[Object], list[Object]]:
    by_index: dict[int | None, list[Object]] = {}
    for pod in look.active:
        by_index.setdefault(facts.valid_index(pod, look.job), []).append(pod)
    surplus, rest = by_index.pop(None, []), []
    for _, pods in sorted((i, pods) for i, pods in by_index.items() if i is not None):
        *less, last = _by_loss(pods, now)
        surplus += less
        rest.append(last)
    return surplus, rest


def pending_indexes(look: Look, count: int) -> list[int]:
    """The lowest indexes that nothing works on: not active, not succeeded, not failed, not (where it matters) leaving."""
    taken = look.succeeded_indexes.adding(facts.indexes_of(look.active))
    if facts.replaces_only_failed(look.job):
        taken = taken.adding(facts.indexes_of(p for p in look.pods if pod_facts.is_terminating(p)))
    taken = taken.union(look.failed_indexes or Indexes())
    return taken.first_missing(count, facts.completions(look.job) or 0)


def new_pod(job: Object, index: int | None, replaced: Object | None) -> Object:
    """A pod of the job, in the place of `replaced` if that is given."""
    reference = controller_reference(job, facts.API_VERSION, facts.KIND)
    pod = pod_facts.from_template(job["spec"]["template"], job, reference)
    meta, spec = pod["metadata"], pod["spec"]
    meta["finalizers"] = list(dict.fromkeys([*meta.get("finalizers", ()), facts.TRACKING]))
    if index is None:
        return pod
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        _add_index_variable(container)
    meta["annotations"] = {**meta.get("annotations", {}), facts.INDEX: str(index)}
    meta["labels"] = {**meta.get("labels", {}), facts.INDEX: str(index)}
    name, tail = job["metadata"]["name"], f"-{index}-"
    spec["hostname"] = f"{name}-{index}"
    meta["generateName"] = name[: MAX_GENERATE_NAME - len(tail)] + tail
    if facts.has_limit_per_index(job):
        counted, ignored = policies.next_failure_counts(job, replaced)
        meta["annotations"][facts.FAILURES] = str(counted)
        if ignored:
            meta["annotations"][facts.IGNORED_FAILURES] = str(ignored)
    return pod


def _add_index_variable(container: Object) -> None:
    if any(variable["name"] == INDEX_VARIABLE for variable in container.get("env") or ()):
        return
    path = {"fieldRef": {"fieldPath": f"metadata.labels['{facts.INDEX}']"}}
    container["env"] = [*(container.get("env") or ()), {"name": INDEX_VARIABLE, "valueFrom": path}]


class PodManager:
    """Brings the pods of a job to what it wants; the numbers in the Look follow."""

    def __init__(self, control: PodControl, expectations: Expectations[Request], clock: Clock) -> None:
        self.control = control
        self.expectations = expectations
        self.clock = clock

    async def manage(self, look: Look) -> Exception | None:
        """Either delete or create, never both in one look; deleting comes first."""
        if facts.is_suspended(look.job):
            return await self._delete(look, to_remove(look, look.active_count, self.clock.now()))
        wanted = wanted_active(look)
        surplus = to_remove(look, max(look.active_count - wanted, 0), self.clock.now())[:BURST]
        if surplus:
            return await self._delete(look, surplus)
        leaving = look.terminating if facts.replaces_only_failed(look.job) else 0
        missing = wanted - leaving - look.active_count
        return await self._create(look, min(missing, BURST)) if missing > 0 else None

    async def delete_active(self, look: Look) -> tuple[int, Exception | None]:
        """Delete every active pod, its finalizer left on: it is to be counted. How many are deleted, the first failure."""
        outcomes = await asyncio.gather(*(self._try_delete(pod, look.job) for pod in look.active))
        failures = [outcome for outcome in outcomes if outcome is not None]
        look.ready -= sum(pod_facts.is_ready(pod) for pod in look.active)
        return len(outcomes) - len(failures), failures[0] if failures else None

    async def _try_delete(self, pod: Object, job: Object) -> Exception | None:
        try:
            await self.control.delete(pod, job)
        except (StatusError, ConnectionError, TimeoutError, OSError) as error:
            return None if isinstance(error, StatusError) and error.code == 404 else error
        return None

    async def _delete(self, look: Look, pods: list[Object]) -> Exception | None:
        """Delete pods that are not to be counted."""
        self.expectations.expect_deletions(look.request, [pod["metadata"]["uid"] for pod in pods])
        outcomes = await asyncio.gather(*(self._delete_uncounted(look, pod) for pod in pods))
        failures = [outcome for outcome in outcomes if outcome is not None]
        removed = len(pods) - len(failures)
        look.active_count -= removed
        look.terminating += removed
        look.ready -= sum(pod_facts.is_ready(pod) for pod in pods)
        return failures[0] if failures else None

    async def _delete_uncounted(self, look: Look, pod: Object) -> Exception | None:
        meta = pod["metadata"]
        try:
            if facts.is_tracked(pod):
                await self.control.pods.patch(meta["name"], meta["namespace"], NO_FINALIZER, type=STRATEGIC_PATCH)
            await self.control.delete(pod, look.job)
        except (StatusError, ConnectionError, TimeoutError, OSError) as error:
            self.expectations.deletion_observed(look.request, meta["uid"])
            return None if isinstance(error, StatusError) and error.code == 404 else error
        return None

    async def _create(self, look: Look, count: int) -> Exception | None:
        now = self.clock.now()
        if not facts.has_limit_per_index(look.job) and (wait := look.backoff.remaining(now)) > 0:
            look.look_again(max(wait, BATCH_PERIOD))
            return None
        indexes: deque[int | None] = deque([None] * count)
        if facts.is_indexed(look.job):
            due, wait = self._due_indexes(look, pending_indexes(look, count), now)
            if not due and wait > 0:
                look.look_again(max(wait, BATCH_PERIOD))
                return None
            indexes = deque(due)
        return await self._create_each(look, indexes)

    def _due_indexes(self, look: Look, pending: list[int], now: float) -> tuple[list[int], float]:
        """The indexes whose back-off is over; and when none is, how long until the first one's is."""
        if not facts.has_limit_per_index(look.job):
            return pending, 0.0
        waits = {index: remaining_of_index(look.delayed.get(index), now) for index in pending}
        return [index for index, wait in waits.items() if wait == 0], min(waits.values(), default=0.0)

    async def _create_each(self, look: Look, indexes: deque[int | None]) -> Exception | None:
        count = len(indexes)
        self.expectations.expect_creations(look.request, count)

        async def create() -> None:
            index = indexes.popleft()  # no await before this: each call takes the next
            pod = new_pod(look.job, index, look.delayed.get(index) if index is not None else None)
            await self.control.create(pod, look.job)

        created, failure = await slow_start(count, create)
        self.expectations.creations_failed(look.request, count - created)
        look.active_count += created
        if isinstance(failure, StatusError) and namespace_terminating(failure):
            return None
        return failure
