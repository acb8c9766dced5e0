"""Counts the ended pods of a Job exactly once: their uids go into the status before their finalizers are removed.

Mirrors trackJobStatusAndRemoveFinalizers in upstream pkg/controller/job/job_controller.go. A pod keeps its finalizer until the
status knows of it, and its uid stays in the status until the finalizer is gone: a crash between the two counts nothing twice.
"""

from __future__ import annotations

import asyncio

from apiserver.apimachinery.clock import Clock, rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.client.events import EventRecorder
from apiserver.client.resources import STRATEGIC_PATCH, ResourceClient
from controllers.framework import pods as pod_facts
from controllers.framework.controller import Request
from controllers.loops.job import facts, policies
from controllers.loops.job.backoff import Record
from controllers.loops.job.look import Look
from controllers.loops.job.manage import NO_FINALIZER

MAX_UNCOUNTED = 500  # uids in the status: about 20 kB
OUTCOMES = ("succeeded", "failed")


def is_countable(look: Look, pod: Object) -> bool:
    """May the pod's finalizer go? Not while the pod runs, nor while it waits to hand its failures on."""
    if look.job["metadata"].get("deletionTimestamp") or look.finished is not None:
        return True
    if pod_facts.phase(pod) == "Succeeded":
        return True
    if not facts.is_failed(pod, look.job):
        return False
    index = facts.index_of(pod)
    return index is None or look.delayed.get(index) is not pod


def count_ended(look: Look) -> tuple[list[Object], bool, bool]:
    """Note ended pods in the status. Returns the pods whose finalizer may go, whether the status changed, whether the
    status is full: then the rest waits for the next look."""
    pods, changed, new_indexes = list[Object](), False, list[int]()
    uncounted = look.status["uncountedTerminatedPods"]
    seen = {outcome: look.uncounted(outcome) for outcome in OUTCOMES}
    full = False
    for pod in sorted(look.pods, key=lambda p: _index_order(look, p)):
        uid = pod["metadata"]["uid"]
        if not facts.is_tracked(pod) or uid in look.expected or not is_countable(look, pod):
            continue
        pods.append(pod)
        outcome = _outcome(look, pod, seen)
        if outcome == "succeeded" and facts.is_indexed(look.job):
            # The index is enough not to count it twice.
            index = facts.valid_index(pod, look.job)
            if index is not None and index not in look.before:
                new_indexes.append(index)
                changed = True
        elif outcome:
            uncounted.setdefault(outcome, []).append(uid)
            changed = True
        if len(new_indexes) + sum(len(uncounted.get(o) or ()) for o in OUTCOMES) >= MAX_UNCOUNTED:
            full = True
            break
    look.succeeded_indexes = look.succeeded_indexes.adding(new_indexes)
    return pods, changed, full


def _index_order(look: Look, pod: Object) -> int:
    index = facts.index_of(pod) if facts.is_indexed(look.job) else None
    return -1 if index is None else index


def _outcome(look: Look, pod: Object, seen: dict[str, tuple[str, ...]]) -> str:
    """Under which outcome the pod is to be noted; empty when it is noted already or counts for nothing."""
    job, uid = look.job, pod["metadata"]["uid"]
    if pod_facts.phase(pod) == "Succeeded" and uid not in seen["failed"]:
        return "succeeded" if uid not in seen["succeeded"] else ""
    ended_badly = look.finished is not None and look.finished["type"] != "SuccessCriteriaMet"
    if not facts.is_failed(pod, job) and not ended_badly:
        return ""
    if uid in seen["failed"] or (facts.is_indexed(job) and facts.valid_index(pod, job) is None):
        return ""
    return "failed" if policies.match_failure(job, pod).counts else ""


def settle_counts(status: Object, tracked: dict[str, None]) -> bool:
    """Count the uids whose pods carry no finalizer any more; whether there were any."""
    changed = False
    for outcome in OUTCOMES:
        uids = status["uncountedTerminatedPods"].get(outcome) or []
        left = [uid for uid in uids if uid in tracked]
        if len(left) != len(uids):
            status[outcome] = (status.get(outcome) or 0) + len(uids) - len(left)
            changed = True
        if left:
            status["uncountedTerminatedPods"][outcome] = left
        else:
            status["uncountedTerminatedPods"].pop(outcome, None)
    return changed


class Tracker:
    """Writes statuses and removes finalizers, and remembers what of that the informers have still to show."""

    def __init__(
        self,
        jobs: ResourceClient,
        pods: ResourceClient,
        recorder: EventRecorder,
        clock: Clock,
        backoffs: dict[Request, Record],
    ) -> None:
        self.jobs, self.pods = jobs, pods
        self.recorder = recorder
        self.clock = clock
        self.backoffs = backoffs
        self._removing: dict[Request, dict[str, None]] = {}
        self._written: dict[Request, int] = {}  # resourceVersion of our last status

    def forget(self, request: Request) -> None:
        self._removing.pop(request, None)
        self._written.pop(request, None)

    def expected(self, request: Request) -> dict[str, None]:
        return dict(self._removing.get(request, {}))

    def removal_observed(self, request: Request, uid: str) -> None:
        removing = self._removing.get(request)
        if removing is not None:
            removing.pop(uid, None)

    def is_behind(self, request: Request, job: Object) -> bool:
        """Does the informer show the job as it was before our last write?"""
        return int(job["metadata"]["resourceVersion"]) < self._written.get(request, 0)

    async def track(self, look: Look, *, flush: bool) -> None:
        """Note, write, remove finalizers, count, and end the job when all is counted."""
        status = look.status
        tracked = {
            pod["metadata"]["uid"]: None
            for pod in look.pods
            if facts.is_tracked(pod) and pod["metadata"]["uid"] not in look.expected
        }
        flush = settle_counts(status, tracked) or flush
        pods, changed, full = count_ended(look)
        flush = self._tell_indexes(look) or changed or flush
        flush = self._tell_target(look) or flush
        if flush:
            await self._write(look)
            self.backoffs[look.request] = look.backoff
        failure = await self._release(look, pods, tracked)
        flush = settle_counts(look.status, tracked)
        if failure is not None:
            if flush:
                await self._write(look)
            raise failure
        ended = not full and self._end(look)
        if flush or ended:
            await self._write(look)
        if ended:
            self._tell_end(look)

    def _tell_indexes(self, look: Look) -> bool:
        if not facts.is_indexed(look.job):
            return False
        status, before = look.status, dict(look.status)
        status["succeeded"] = len(look.succeeded_indexes)
        status["completedIndexes"] = str(look.succeeded_indexes)
        if look.failed_indexes is not None:
            status["failedIndexes"] = str(look.failed_indexes)
        else:
            status.pop("failedIndexes", None)
        return status["completedIndexes"] != before.get("completedIndexes", "") or status.get(
            "failedIndexes"
        ) != before.get("failedIndexes")

    def _tell_target(self, look: Look) -> bool:
        """Say where the job is going before the finalizers go; from then on `finished` is the condition of its end."""
        found = look.finished
        if found is None or found["type"] not in ("FailureTarget", "SuccessCriteriaMet"):
            return False
        failed = found["type"] == "FailureTarget"
        new = failed or facts.true_condition(look.job, "SuccessCriteriaMet") is None
        if new:
            look.status.setdefault("conditions", []).append(found)
        kind = "Failed" if failed else "Complete"
        look.finished = facts.new_condition(kind, "True", found["reason"], found["message"], self._now())
        return new

    async def _release(self, look: Look, pods: list[Object], tracked: dict[str, None]) -> Exception | None:
        """Remove the pods' finalizers; those that are gone are struck from `tracked`."""
        if not pods:
            return None
        self._removing.setdefault(look.request, {}).update({pod["metadata"]["uid"]: None for pod in pods})
        outcomes = await asyncio.gather(*(self._release_one(look.request, pod) for pod in pods))
        for pod, failure in zip(pods, outcomes, strict=True):
            if failure is None:
                tracked.pop(pod["metadata"]["uid"], None)
        return next((failure for failure in outcomes if failure is not None), None)

    async def _release_one(self, request: Request, pod: Object) -> Exception | None:
        meta = pod["metadata"]
        try:
            await self.pods.patch(meta["name"], meta["namespace"], NO_FINALIZER, type=STRATEGIC_PATCH)
        except (StatusError, ConnectionError, TimeoutError, OSError) as error:
            self.removal_observed(request, meta["uid"])
            return None if isinstance(error, StatusError) and error.code == 404 else error
        return None

    def _end(self, look: Look) -> bool:
        """Bring in the condition of the end, unless pods are still to be counted or to go."""
        if look.finished is None or look.terminating > 0:
            return False
        if any(look.status["uncountedTerminatedPods"].values()):
            return False
        end, status = look.finished, look.status
        facts.ensure_condition(status, end["type"], end["status"], end["reason"], end["message"], self._now())
        if end["type"] == "Complete":
            status["completionTime"] = end["lastTransitionTime"]
        return True

    def _tell_end(self, look: Look) -> None:
        end, job = look.finished, look.job
        assert end is not None
        if end["type"] == "Failed":
            self.recorder.event(job, "Warning", end["reason"], end["message"])
            return
        wanted = facts.completions(job)
        if wanted is not None and look.status.get("succeeded", 0) > wanted:
            message = "Too many succeeded pods running after completion count reached"
            self.recorder.event(job, "Warning", "TooManySucceededPods", message)
        self.recorder.event(job, "Normal", "Completed", "Job completed")

    async def _write(self, look: Look) -> None:
        """Write the status and go on with the job as it was stored."""
        written = await self.jobs.update_status({**look.job, "status": facts.plain_status(look.status)})
        self._written[look.request] = int(written["metadata"]["resourceVersion"])
        look.job.update(metadata=written["metadata"], status=written.get("status") or {})
        look.status.setdefault("uncountedTerminatedPods", {})

    def _now(self) -> str:
        return rfc3339(self.clock.now())
