"""Finished jobs go when the time they were given has passed (upstream pkg/controller/ttlafterfinished)."""

from __future__ import annotations

from collections.abc import Iterable

from apiserver.apimachinery.clock import parse_rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request, Result, request_of
from controllers.framework.kinds import JOBS
from controllers.framework.manager import Loop

WORKERS = 5


def expires_at(job: Object) -> float | None:
    """When the job is to go, in seconds since the epoch; None when it is not (yet) known."""
    ttl = job["spec"].get("ttlSecondsAfterFinished")
    if ttl is None or job["metadata"].get("deletionTimestamp"):
        return None
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return parse_rfc3339(condition["lastTransitionTime"]) + int(ttl)
    return None


class FinishedJobs:
    """Requests are jobs."""

    def __init__(self, context: Context) -> None:
        self.clock = context.clock
        self.jobs = context.resource(JOBS)
        self.known = context.informer(JOBS).lister

    async def reconcile(self, request: Request) -> Result | None:
        known = self.known.get(*request)
        if known is None or expires_at(known) is None:
            return None
        if (later := self._wait(known)) is not None:
            return later
        try:
            # The time may have been prolonged since: what counts is what the server says now.
            fresh = await self.jobs.get(request.name, request.namespace)
            if expires_at(fresh) is None or self._wait(fresh) is not None:
                return self._wait(fresh)
            await self.jobs.delete(
                request.name, request.namespace, uid=fresh["metadata"]["uid"], propagation="Foreground"
            )
        except StatusError as error:
            if error.code != 404:
                raise
        return None

    def _wait(self, job: Object) -> Result | None:
        """When to look again, where the time has not come."""
        at = expires_at(job)
        if at is None or at <= self.clock.now():
            return None
        return Result(after=at - self.clock.now())


def _expiring(job: Object) -> Iterable[Request]:
    return (request_of(job),) if expires_at(job) is not None else ()


def build(context: Context) -> Loop:
    controller = Controller("ttl-after-finished-controller", FinishedJobs(context), workers=WORKERS)
    controller.watch(context.informer(JOBS), _expiring)
    return controller
