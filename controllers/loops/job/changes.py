"""What changes of jobs and pods mean for the job loop: observed expectations, jobs to look at, finalizers nobody will remove.

Looks that follow from pods are batched by a second, as upstream's: a job of many pods is told of once, not for each.
"""

from __future__ import annotations

from collections.abc import Iterable

from apiserver.apimachinery import labels, objects
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object, controller_of
from apiserver.client.informer import Handler
from apiserver.client.resources import STRATEGIC_PATCH
from apiserver.client.workqueue import WorkQueue
from controllers.framework.controller import Request, Result, request_of
from controllers.framework.ownership import CONTROLLER
from controllers.loops.job import facts
from controllers.loops.job.controller import Jobs
from controllers.loops.job.manage import BATCH_PERIOD, NO_FINALIZER


class Changes:
    """Fills the queue of jobs, and the queue of pods that carry the finalizer though no job counts them any more."""

    def __init__(self, jobs: Jobs, queue: WorkQueue[Request], stray: WorkQueue[Request]) -> None:
        self.jobs = jobs
        self.queue = queue
        self.stray = stray

    def of_jobs(self) -> Handler:
        return Handler(
            added=lambda job: self.queue.add(request_of(job)), updated=self._job_updated, deleted=self._job_deleted
        )

    def of_pods(self) -> Handler:
        return Handler(added=self._pod_added, updated=self._pod_updated, deleted=self._pod_deleted)

    def _job_updated(self, old: Object, job: Object) -> None:
        if facts.finished_condition(job) is not None:
            self._stray_pods(job)
        elif old["metadata"].get("generation") == job["metadata"].get("generation"):
            self._look_soon(job)
        else:
            self.queue.add(request_of(job))

    def _job_deleted(self, job: Object) -> None:
        request = request_of(job)
        self.jobs.forget(request)
        self._stray_pods(job)
        self.queue.add(request)

    def _stray_pods(self, job: Object) -> None:
        for pod in self.jobs.known_pods.by_index(CONTROLLER, job["metadata"]["uid"]):
            self._stray(pod)

    def _stray(self, pod: Object) -> None:
        if facts.is_tracked(pod):
            self.stray.add(request_of(pod))

    def _look_soon(self, job: Object) -> None:
        self.queue.add_after(request_of(job), BATCH_PERIOD)

    def _adopters(self, pod: Object) -> Iterable[Object]:
        for job in self.jobs.known.list(pod["metadata"]["namespace"]):
            selector = labels.from_label_selector(job["spec"].get("selector"))
            if not selector.empty and selector.matches(objects.labels_of(pod)):
                yield job

    def _pod_added(self, pod: Object) -> None:
        if pod["metadata"].get("deletionTimestamp"):
            self._leaves(pod, gone=False)
        elif (job := self.jobs.owner(pod)) is not None:
            self.jobs.expectations.creation_observed(request_of(job))
            self._look_soon(job)
        elif controller_of(pod) is None:
            self._orphan(pod)

    def _orphan(self, pod: Object) -> None:
        self._stray(pod)
        for job in self._adopters(pod):
            self._look_soon(job)

    def _pod_updated(self, old: Object, pod: Object) -> None:
        if old["metadata"]["resourceVersion"] == pod["metadata"]["resourceVersion"]:
            return
        if pod["metadata"].get("deletionTimestamp"):
            self._leaves(pod, gone=False)
            return
        before, job = self.jobs.owner(old), self.jobs.owner(pod)
        for concerned in [before, job] if before is not job else [job]:
            if concerned is not None:
                if not facts.is_tracked(pod):
                    self.jobs.tracker.removal_observed(request_of(concerned), pod["metadata"]["uid"])
                self._look_soon(concerned)
        if controller_of(pod) is not None:
            return
        if objects.labels_of(old) != objects.labels_of(pod) or controller_of(old) is not None:
            self._orphan(pod)
        else:
            self._stray(pod)

    def _pod_deleted(self, pod: Object) -> None:
        self._leaves(pod, gone=True)

    def _leaves(self, pod: Object, *, gone: bool) -> None:
        """The pod is being deleted, or gone."""
        job = self.jobs.owner(pod)
        if job is None or facts.finished_condition(job) is not None:
            if not gone and (job is not None or _is_of_a_job(pod)):
                self._stray(pod)
            return
        request, uid = request_of(job), pod["metadata"]["uid"]
        self.jobs.expectations.deletion_observed(request, uid)
        if gone or not facts.is_tracked(pod):
            self.jobs.tracker.removal_observed(request, uid)
        self._look_soon(job)


def _is_of_a_job(pod: Object) -> bool:
    """A pod of nobody, or of a job: a finalizer on others' pods is not ours to remove."""
    reference = controller_of(pod)
    return reference is None or (reference["kind"], reference["apiVersion"]) == (facts.KIND, facts.API_VERSION)


class StrayPods:
    """Requests are pods: removes the finalizer from those that no job will count."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs

    async def reconcile(self, request: Request) -> Result | None:
        pod = self.jobs.known_pods.get(*request)
        if pod is None or not facts.is_tracked(pod) or not _is_of_a_job(pod):
            return None
        job = self.jobs.owner(pod)
        if job is not None and (facts.is_managed_elsewhere(job) or facts.finished_condition(job) is None):
            return None
        try:
            await self.jobs.pods.patch(request.name, request.namespace, NO_FINALIZER, type=STRATEGIC_PATCH)
        except StatusError as error:
            if error.code != 404:
                raise
        return None
