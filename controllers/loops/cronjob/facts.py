"""What a CronJob missed and when it is due: pure functions (upstream pkg/controller/cronjob/utils.go)."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import parse_rfc3339
from apiserver.apimachinery.cron import Every, Schedule, load_zone
from apiserver.apimachinery.objects import Object
from controllers.framework.ownership import controller_reference
from controllers.loops.cronjob.times import next_time

API_VERSION, KIND = "batch/v1", "CronJob"
SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
DELTA = 0.1  # seconds added to each wait: clocks differ
MANY = 100  # missed times from which on something must be wrong


class NeverDue(ValueError):
    """A schedule that can be read and never comes, such as the 31st of February."""


class Missed(NamedTuple):
    """Since when times were looked for, the last one that is due, and how many were missed about."""

    since: float
    last: int | None
    times: int


def missed(cron_job: Object, schedule: Schedule | Every, now: float, *, deadline: bool) -> Missed:
    """What was due between the last run (or the creation) and now. Raises NeverDue."""
    spec, status = cron_job["spec"], cron_job.get("status") or {}
    since = parse_rfc3339(status.get("lastScheduleTime") or cron_job["metadata"]["creationTimestamp"])
    if deadline and spec.get("startingDeadlineSeconds") is not None:
        since = max(since, now - spec["startingDeadlineSeconds"])
    first = next_time(schedule, since)
    second = next_time(schedule, first) if first is not None else None
    if first is not None and now < first:
        return Missed(since, None, 0)
    if first is not None and second is not None and now < second:
        return Missed(since, first, 0)
    if first is None or second is None or second - first < 1:
        raise NeverDue("time difference between two schedules is less than 1 second")
    step = second - first
    count = int(now - first) // step + 1
    # One step back from the estimate: the distances of a schedule need not be equal.
    last, candidate = None, next_time(schedule, first + (count - 2) * step)
    while candidate is not None and candidate <= now:
        last, candidate = candidate, next_time(schedule, candidate)
    return Missed(since, last, count)


def wait(cron_job: Object, schedule: Schedule | Every, now: float) -> float:
    """Seconds until the next look."""
    try:
        found = missed(cron_job, schedule, now, deadline=False)
        base = found.last if found.last is not None else found.since if found.times == 0 else now
    except NeverDue:
        base = now
    due = next_time(schedule, base)
    return due + DELTA - now if due is not None else 0.0


def schedule_text(cron_job: Object) -> str:
    """The schedule with its time zone in front; one that the schedule names itself wins, a wrong one is left out."""
    text: str = cron_job["spec"]["schedule"]
    zone = cron_job["spec"].get("timeZone")
    if "TZ" in text or zone is None or zone_error(zone):
        return text
    return f"TZ={zone} {text}"


def zone_error(name: str) -> str:
    try:
        load_zone(name)
    except ValueError as error:
        return str(error)
    return ""


def job_name(cron_job: Object, scheduled: int) -> str:
    """Named by the minute: a job is not made twice."""
    return f"{cron_job['metadata']['name']}-{scheduled // 60}"


def new_job(cron_job: Object, scheduled: int) -> Object:
    template = cron_job["spec"]["jobTemplate"]
    zone: tzinfo = load_zone(cron_job["spec"].get("timeZone") or "")
    meta: dict[str, Any] = {
        "name": job_name(cron_job, scheduled),
        "namespace": cron_job["metadata"]["namespace"],
        "annotations": {**objects.annotations_of(template), SCHEDULED_AT: _go_rfc3339(scheduled, zone)},
        "ownerReferences": [controller_reference(cron_job, API_VERSION, KIND)],
    }
    if objects.labels_of(template):
        meta["labels"] = dict(objects.labels_of(template))
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": objects.copy(template.get("spec") or {})}


def _go_rfc3339(at: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(at, zone).isoformat().replace("+00:00", "Z")


def rfc1123z(at: int) -> str:
    """Go's time.RFC1123Z, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")


def reference_to(job: Object) -> Object:
    meta = job["metadata"]
    return {
        "kind": "Job",
        "namespace": meta["namespace"],
        "name": meta["name"],
        "uid": meta["uid"],
        "apiVersion": "batch/v1",
        "resourceVersion": meta["resourceVersion"],
    }


def finished_as(job: Object) -> str:
    """Complete or Failed; empty while the job is not over."""
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return str(condition["type"])
    return ""


def by_start(job: Object) -> tuple[bool, str, str]:
    """A sort key: the oldest first, those that never started last."""
    start = (job.get("status") or {}).get("startTime") or ""
    return not start, start, job["metadata"]["name"]
