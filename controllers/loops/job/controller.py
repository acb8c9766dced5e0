"""Jobs run pods until enough of them have succeeded, or too many have failed.

Mirrors upstream pkg/controller/job/job_controller.go. The order of a look is upstream's: what earlier looks found, then what
makes the job fail, then what makes it succeed; only then are pods made or deleted, and last the status is told.
"""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery import labels, objects
from apiserver.apimachinery.clock import parse_rfc3339, rfc3339
from apiserver.apimachinery.objects import Object, controller_of
from controllers.framework import pods as pod_facts
from controllers.framework.context import Context
from controllers.framework.controller import Request, Result
from controllers.framework.expectations import Expectations
from controllers.framework.kinds import JOBS, PODS
from controllers.framework.ownership import (
    CONTROLLER,
    ControllerReferences,
    controller_reference,
    controller_uid,
    fresh_owner_check,
    owned_or_orphaned,
)
from controllers.framework.pod_control import PodControl
from controllers.loops.job import facts, policies
from controllers.loops.job.backoff import Record
from controllers.loops.job.indexes import Indexes
from controllers.loops.job.look import Look
from controllers.loops.job.manage import PodManager
from controllers.loops.job.tracking import Tracker

COMPONENT = "job-controller"


class Jobs:
    """Requests are jobs."""

    def __init__(self, context: Context) -> None:
        self.clock = context.clock
        self.jobs = context.resource(JOBS)
        self.known = context.informer(JOBS).lister
        self.pods = context.resource(PODS)
        informer = context.informer(PODS)
        informer.add_index(CONTROLLER, controller_uid)
        self.known_pods = informer.lister
        self.recorder = context.recorder(COMPONENT)
        self.expectations = Expectations[Request]()
        self.backoffs: dict[Request, Record] = {}
        self.tracker = Tracker(self.jobs, self.pods, self.recorder, self.clock, self.backoffs)
        control = PodControl(self.pods, self.recorder)
        self.manager = PodManager(control, self.expectations, self.clock)

    def owner(self, pod: Object) -> Object | None:
        """The job that controls the pod, if there is one still."""
        reference = controller_of(pod)
        if reference is None or (reference["kind"], reference["apiVersion"]) != (facts.KIND, facts.API_VERSION):
            return None
        job = self.known.get(pod["metadata"]["namespace"], reference["name"])
        return job if job is not None and job["metadata"]["uid"] == reference["uid"] else None

    def forget(self, request: Request) -> None:
        """The job is gone: one made anew under its name starts clean."""
        self.expectations.forget(request)
        self.backoffs.pop(request, None)
        self.tracker.forget(request)

    async def reconcile(self, request: Request) -> Result | None:
        known = self.known.get(*request)
        if known is None:
            self.forget(request)
            return None
        if facts.is_managed_elsewhere(known):
            return None
        if facts.finished_condition(known) is not None:
            self.backoffs.pop(request, None)
            return None
        if self.tracker.is_behind(request, known):
            return None  # our own last write is still to be seen, and will queue the job when it is
        job: Object = {**objects.copy(known), "apiVersion": facts.API_VERSION, "kind": facts.KIND}
        if job["spec"].get("completionMode", "NonIndexed") not in ("NonIndexed", "Indexed"):
            message = "Skipped Job sync because completion mode is unknown"
            self.recorder.event(job, "Warning", "UnknownCompletionMode", message)
            return None
        look = await self._look(request, job)
        self._judge(look)
        failure = await self._act(look)
        if failure is not None:
            raise failure
        return Result(after=look.again) if look.again is not None else None

    async def _look(self, request: Request, job: Object) -> Look:
        """Gather what there is to know."""
        may_act = self.expectations.satisfied(request)
        status: dict[str, Any] = job.setdefault("status", {})
        uncounted = status.setdefault("uncountedTerminatedPods", {})
        look = Look(request, job, await self._claim(job), may_act, self.tracker.expected(request))
        look.active = [pod for pod in look.pods if pod_facts.is_active(pod)]
        look.active_count = len(look.active)
        look.ready = sum(pod_facts.is_ready(pod) for pod in look.active)
        look.terminating = sum(pod_facts.is_terminating(pod) for pod in look.pods)
        succeeded = [p for p in look.valid_pods(skip=look.uncounted("succeeded")) if pod_facts.phase(p) == "Succeeded"]
        failed = [p for p in look.valid_pods(skip=look.uncounted("failed")) if facts.is_failed(p, job)]
        counted = sum(policies.match_failure(job, pod).counts for pod in failed)
        look.succeeded = status.get("succeeded", 0) + len(succeeded) + len(uncounted.get("succeeded") or ())
        look.failed = status.get("failed", 0) + counted + len(uncounted.get("failed") or ())
        if not status.get("startTime") and not facts.is_suspended(job):
            status["startTime"] = self._now()
        look.backoff = self.backoffs.get(request, Record()).after(succeeded, failed)
        return look

    async def _claim(self, job: Object) -> list[Object]:
        selector = labels.from_label_selector(job["spec"].get("selector"))
        reference = controller_reference(job, facts.API_VERSION, facts.KIND)
        can_adopt = fresh_owner_check(self.jobs, job)
        references = ControllerReferences(self.pods, job, reference, selector, can_adopt, (facts.TRACKING,))
        claimed = await references.claim(owned_or_orphaned(self.known_pods, job))
        return [_as_adopted(pod, job) for pod in claimed]

    # What ends the job

    def _judge(self, look: Look) -> None:
        """Find what ends the job, if anything does."""
        look.finished = self._found_before(look) or self._past_limits(look)
        if facts.is_indexed(look.job):
            self._judge_indexes(look)

    def _found_before(self, look: Look) -> Object | None:
        met = facts.true_condition(look.job, "SuccessCriteriaMet")
        if met is not None:
            return met
        target = facts.true_condition(look.job, "FailureTarget")
        if target is not None:
            return facts.new_condition("Failed", "True", target["reason"], target["message"], self._now())
        message = policies.job_failure_message(look.job, look.pods)
        return self._failure("PodFailurePolicy", message) if message is not None else None

    def _past_limits(self, look: Look) -> Object | None:
        job, spec = look.job, look.job["spec"]
        if look.failed > spec.get("backoffLimit", 6) or facts.past_restart_limit(job, look.pods):
            return self._failure("BackoffLimitExceeded", "Job has reached the specified backoff limit")
        deadline, start = spec.get("activeDeadlineSeconds"), look.status.get("startTime")
        if deadline is None or not start or facts.is_suspended(job):
            return None
        left = parse_rfc3339(start) + deadline - self.clock.now()
        if left <= 0:
            return self._failure("DeadlineExceeded", "Job was active longer than specified deadline")
        look.look_again(left)
        return None

    def _judge_indexes(self, look: Look) -> None:
        job = look.job
        look.before, look.succeeded_indexes = policies.succeeded_indexes(job, look.pods)
        look.succeeded = len(look.succeeded_indexes)
        if facts.has_limit_per_index(job):
            failed = look.failed_indexes = policies.failed_indexes(job, look.pods)
            most = job["spec"].get("maxFailedIndexes")
            if look.finished is None and most is not None and len(failed) > most:
                message = "Job has exceeded the specified maximal number of failed indexes"
                look.finished = self._failure("MaxFailedIndexesExceeded", message)
            elif look.finished is None and len(failed) and len(failed) + look.succeeded >= job["spec"]["completions"]:
                look.finished = self._failure("FailedIndexes", "Job has failed indexes")
            look.delayed = _delayed(look)
        if look.finished is None:
            message = policies.matched_success_rule(job, look.succeeded_indexes) or ""
            look.finished = self._success("SuccessPolicy", message) if message else None

    # What is done

    async def _act(self, look: Look) -> Exception | None:
        suspension_changed = False
        if look.finished is not None:
            failure = await self._end(look)
        else:
            failure, managed = None, False
            if look.may_act and not look.job["metadata"].get("deletionTimestamp"):
                failure, managed = await self.manager.manage(look), True
            if _is_complete(look):
                message = "Reached expected number of succeeded pods"
                look.finished = self._success("CompletionsReached", message)
            elif managed:
                suspension_changed = self._note_suspension(look)
        status = look.status
        counts = {"active": look.active_count, "ready": look.ready, "terminating": look.terminating}
        changed = status.get("active", 0) != counts["active"] or any(
            status.get(name) != counts[name] for name in ("ready", "terminating")
        )
        status.update(counts)
        await self.tracker.track(look, flush=changed or suspension_changed)
        return failure

    async def _end(self, look: Look) -> Exception | None:
        """Delete what still runs; as long as there may be more of it, the job has not ended."""
        deleted, failure = await self.manager.delete_active(look)
        if deleted != look.active_count or not look.may_act:
            look.finished = None
        look.active_count -= deleted
        look.terminating += deleted
        return failure

    def _note_suspension(self, look: Look) -> bool:
        """Tell in condition and event that the job was suspended or resumed; its clock starts when it is resumed."""
        if facts.is_suspended(look.job):
            if not facts.ensure_condition(
                look.status, "Suspended", "True", "JobSuspended", "Job suspended", self._now()
            ):
                return False
            self.recorder.event(look.job, "Normal", "Suspended", "Job suspended")
            look.status.pop("startTime", None)
            return True
        if not facts.ensure_condition(look.status, "Suspended", "False", "JobResumed", "Job resumed", self._now()):
            return False
        self.recorder.event(look.job, "Normal", "Resumed", "Job resumed")
        look.status["startTime"] = self._now()
        return True

    def _now(self) -> str:
        return rfc3339(self.clock.now())

    def _failure(self, reason: str, message: str) -> Object:
        return facts.new_condition("FailureTarget", "True", reason, message, self._now())

    def _success(self, reason: str, message: str) -> Object:
        return facts.new_condition("SuccessCriteriaMet", "True", reason, message, self._now())


def _as_adopted(pod: Object, job: Object) -> Object:
    """A pod that was adopted just now carries the finalizer, though the informer does not show it yet."""
    references = pod["metadata"].get("ownerReferences") or ()
    if facts.is_tracked(pod) or any(ref["uid"] == job["metadata"]["uid"] for ref in references):
        return pod
    meta = pod["metadata"]
    return {**pod, "metadata": {**meta, "finalizers": [*(meta.get("finalizers") or ()), facts.TRACKING]}}


def _is_complete(look: Look) -> bool:
    """Without a number of completions the first success tells that the work is done."""
    wanted = facts.completions(look.job)
    return look.succeeded >= (1 if wanted is None else wanted) and look.active_count == 0


def _delayed(look: Look) -> dict[int, Object]:
    """The last failed pod of each index that waits for a successor: it carries the count of failures over to it."""
    active, found = facts.indexes_of(look.active), dict[int, Object]()
    failed_indexes = look.failed_indexes or Indexes()
    for pod in look.valid_pods():
        index = facts.valid_index(pod, look.job)
        if index is None or not facts.is_failed(pod, look.job):
            continue
        if index in look.succeeded_indexes or index in failed_indexes or index in active:
            continue
        other = found.get(index)
        if other is None or _is_later_failure(pod, other):
            found[index] = pod
    return found


def _is_later_failure(pod: Object, other: Object) -> bool:
    more = facts.all_index_failures(pod) >= facts.all_index_failures(other)
    return more and facts.finished_at(pod) >= facts.finished_at(other)
