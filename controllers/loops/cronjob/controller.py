"""CronJobs make a Job whenever their schedule is due, and keep only so many of the finished ones.

Mirrors upstream pkg/controller/cronjob/cronjob_controllerv2.go.
"""

from __future__ import annotations

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.cron import CronError, Every, Schedule, parse
from apiserver.apimachinery.errors import StatusError, go_quote
from apiserver.apimachinery.objects import Object
from controllers.framework.context import Context
from controllers.framework.controller import Request, Result
from controllers.framework.errors import namespace_terminating
from controllers.framework.kinds import CRON_JOBS, JOBS
from controllers.framework.ownership import CONTROLLER, controller_uid, is_controlled_by
from controllers.loops.cronjob import facts

COMPONENT = "cronjob-controller"


class CronJobs:
    """Requests are cron jobs."""

    def __init__(self, context: Context) -> None:
        self.clock = context.clock
        self.cron_jobs = context.resource(CRON_JOBS)
        self.known = context.informer(CRON_JOBS).lister
        self.jobs = context.resource(JOBS)
        informer = context.informer(JOBS)
        informer.add_index(CONTROLLER, controller_uid)
        self.known_jobs = informer.lister
        self.recorder = context.recorder(COMPONENT)

    async def reconcile(self, request: Request) -> Result | None:
        known = self.known.get(*request)
        if known is None:
            return None
        run = _Run(self, {**objects.copy(known), "apiVersion": facts.API_VERSION, "kind": facts.KIND})
        jobs = list(self.known_jobs.by_index(CONTROLLER, known["metadata"]["uid"]))
        failure: Exception | None = None
        after: float | None = None
        try:
            await run.clean_up(jobs)
            await run.follow(jobs)
            after = await run.schedule()
        except (StatusError, ConnectionError, TimeoutError, OSError) as error:
            failure = error
        await run.write_status()
        if failure is not None:
            raise failure
        return Result(after=after) if after is not None else None

    def schedule_of(self, cron_job: Object) -> Schedule | Every:
        return parse(facts.schedule_text(cron_job))


class _Run:
    """One look at one cron job, a copy of our own whose status grows into the new one."""

    def __init__(self, loop: CronJobs, cron_job: Object) -> None:
        self.loop = loop
        self.cron_job = cron_job
        self.status: Object = cron_job.setdefault("status", {})
        self.changed = False

    @property
    def active(self) -> list[Object]:
        return self.status.get("active") or []

    def _tell(self, type: str, reason: str, message: str) -> None:
        self.loop.recorder.event(self.cron_job, type, reason, message)

    def _drop(self, uid: str) -> None:
        self.status["active"] = [ref for ref in self.active if ref["uid"] != uid]
        self.changed = True

    # History

    async def clean_up(self, jobs: list[Object]) -> None:
        """Delete the oldest finished jobs beyond the limits of history."""
        for outcome, field in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
            limit = self.cron_job["spec"].get(field)
            if limit is None:
                continue
            finished = sorted((job for job in jobs if facts.finished_as(job) == outcome), key=facts.by_start)
            for job in finished[: max(len(finished) - limit, 0)]:
                await self._delete(job)

    async def _delete(self, job: Object) -> bool:
        meta = job["metadata"]
        try:
            await self.loop.jobs.delete(meta["name"], meta["namespace"], propagation="Background")
        except StatusError as error:
            self._tell("Warning", "FailedDelete", f"Deleted job: {error.message}")
            return False
        self._drop(meta["uid"])
        self._tell("Normal", "SuccessfulDelete", f"Deleted job {meta['name']}")
        return True

    # What became of the jobs

    async def follow(self, jobs: list[Object]) -> None:
        """Bring the list of active jobs and the time of the last success up to date."""
        for job in jobs:
            listed = any(ref["uid"] == job["metadata"]["uid"] for ref in self.active)
            outcome = facts.finished_as(job)
            if outcome:
                self._note_finished(job, outcome, listed=listed)
            elif not listed:
                await self._note_unexpected(job)
        there = {job["metadata"]["uid"] for job in jobs}
        for reference in [ref for ref in self.active if ref["uid"] not in there]:
            await self._look_for(reference)

    def _note_finished(self, job: Object, outcome: str, *, listed: bool) -> None:
        if listed:
            self._drop(job["metadata"]["uid"])
            message = f"Saw completed job: {job['metadata']['name']}, condition: {outcome}"
            self._tell("Normal", "SawCompletedJob", message)
        done = (job.get("status") or {}).get("completionTime")
        if outcome == "Complete" and done and done > (self.status.get("lastSuccessfulTime") or ""):
            self.status["lastSuccessfulTime"] = done
            self.changed = True

    async def _note_unexpected(self, job: Object) -> None:
        """A running job that is not in our list: our copy may be old, or somebody made it."""
        meta = self.cron_job["metadata"]
        fresh = await self.loop.cron_jobs.get(meta["name"], meta["namespace"])
        if any(ref["uid"] == job["metadata"]["uid"] for ref in (fresh.get("status") or {}).get("active") or ()):
            self.cron_job.update(fresh)
            self.status = self.cron_job["status"]
            return
        message = f"Saw a job that the controller did not create or forgot: {job['metadata']['name']}"
        self._tell("Warning", "UnexpectedJob", message)

    async def _look_for(self, reference: Object) -> None:
        """An active job that the informer does not show: gone, or too new."""
        try:
            await self.loop.jobs.get(reference["name"], reference["namespace"])
        except StatusError as error:
            if error.code != 404:
                raise
            self._tell("Normal", "MissingJob", f"Active job went missing: {reference['name']}")
            self._drop(reference["uid"])

    # The schedule

    async def schedule(self) -> float | None:
        """Make the job that is due, if one is. Seconds until the next look; None: not before something changes."""
        schedule = self._readable_schedule()
        if schedule is None:
            return None
        now, spec = self.loop.clock.now(), self.cron_job["spec"]
        try:
            missed = facts.missed(self.cron_job, schedule, now, deadline=True)
        except facts.NeverDue as error:
            self._tell("Warning", "InvalidSchedule", f"invalid schedule: {spec['schedule']} : {error}")
            return None
        due = missed.last
        if due is not None and missed.times > facts.MANY:
            message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
            self._tell("Warning", "TooManyMissedTimes", message)
        if due is None or self._too_late(due, now) or self._is_done(due) or self._is_forbidden():
            return facts.wait(self.cron_job, schedule, now)
        if spec.get("concurrencyPolicy") == "Replace":
            await self._replace_active()
        created = await self._create(due)
        return facts.wait(self.cron_job, schedule, now) if created else None

    def _readable_schedule(self) -> Schedule | Every | None:
        """The schedule, unless nothing is to be scheduled; what is wrong with it is told."""
        spec = self.cron_job["spec"]
        if self.cron_job["metadata"].get("deletionTimestamp"):
            return None
        zone = spec.get("timeZone")
        if zone is not None and (wrong := facts.zone_error(zone)):
            self._tell("Warning", "UnknownTimeZone", f"invalid timeZone: {go_quote(zone)}: {wrong}")
            return None
        if spec.get("suspend"):
            return None
        if "TZ" in spec["schedule"]:
            where = "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/"
            message = f"CRON_TZ or TZ used in schedule {go_quote(spec['schedule'])} is not officially supported"
            self._tell("Warning", "UnsupportedSchedule", f"{message}, see {where} for more details")
        try:
            return self.loop.schedule_of(self.cron_job)
        except CronError as error:
            message = f"unparseable schedule: {go_quote(spec['schedule'])} : {error}"
            self._tell("Warning", "UnparseableSchedule", message)
            return None

    def _too_late(self, due: int, now: float) -> bool:
        deadline = self.cron_job["spec"].get("startingDeadlineSeconds")
        if deadline is None or due + deadline >= now:
            return False
        message = f"Missed scheduled time to start a job: {facts.rfc1123z(due)}"
        self._tell("Warning", "MissSchedule", message)
        return True

    def _is_done(self, due: int) -> bool:
        """Was this time's job made already?"""
        name = facts.job_name(self.cron_job, due)
        last = self.status.get("lastScheduleTime")
        return any(ref["name"] == name for ref in self.active) or last == rfc3339(due)

    def _is_forbidden(self) -> bool:
        if self.cron_job["spec"].get("concurrencyPolicy") != "Forbid" or not self.active:
            return False
        message = "Not starting job because prior execution is running and concurrency policy is Forbid"
        self._tell("Normal", "JobAlreadyActive", message)
        return True

    async def _replace_active(self) -> None:
        for reference in list(self.active):
            try:
                job = await self.loop.jobs.get(reference["name"], reference["namespace"])
            except StatusError as error:
                self._tell("Warning", "FailedGet", f"Get job: {error.message}")
                raise
            if not await self._delete(job):
                raise StatusError(500, "", f"could not replace job {reference['namespace']}/{reference['name']}")

    async def _create(self, due: int) -> bool:
        """Make the job of a time and list it as active; False when it is there and is not ours to list."""
        wanted = facts.new_job(self.cron_job, due)
        name, namespace = wanted["metadata"]["name"], wanted["metadata"]["namespace"]
        try:
            job = await self.loop.jobs.create(wanted, namespace)
            self._tell("Normal", "SuccessfulCreate", f"Created job {name}")
        except StatusError as error:
            if error.reason != "AlreadyExists":
                if not namespace_terminating(error):
                    self._tell("Warning", "FailedCreate", f"Error creating job: {error.message}")
                raise
            # Made by us before, and then something came between: it has still to be listed.
            job = await self.loop.jobs.get(name, namespace)
            if not is_controlled_by(job, self.cron_job):
                return False
            if any(ref["uid"] == job["metadata"]["uid"] for ref in self.active):
                return False
        self.status["active"] = [*self.active, facts.reference_to(job)]
        self.status["lastScheduleTime"] = rfc3339(due)
        self.changed = True
        return True

    async def write_status(self) -> None:
        if not self.changed:
            return
        status = {k: v for k, v in self.status.items() if v}
        await self.loop.cron_jobs.update_status({**self.cron_job, "status": status})
