"""What a Job's status may become (upstream pkg/apis/batch/validation and registry/batch/job, getStatusValidationOptions).

Others than our controller may manage Jobs, so a status is held to what clients rely on: an end stays an end, its times and
counters fit. A rule is applied where what it looks at changes: what was stored wrong does not block other changes.
"""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.batch.indexes import IndexesError, count_indexes, overlap
from apiserver.api.validation.internal import internal
from apiserver.api.validation.workloads import optional_non_negative
from apiserver.apimachinery.clock import parse_rfc3339
from apiserver.apimachinery.errors import FieldError, duplicate, invalid, invalid_omitted, required
from apiserver.apimachinery.object_meta import IMMUTABLE
from apiserver.apimachinery.objects import Object

COUNTS = ("active", "succeeded", "failed", "ready", "terminating")
LASTING = ("Failed", "Complete", "FailureTarget")


class Changing:
    """A Job before and after: its status, and which of its fields change."""

    def __init__(self, job: Object, old: Object) -> None:
        self.spec = job["spec"]
        self.status, self.old = job.get("status") or {}, old.get("status") or {}
        self.complete, self.failed = self.has("Complete"), self.has("Failed")
        self.met, self.target = self.has("SuccessCriteriaMet"), self.has("FailureTarget")
        self.finished = self.complete or self.failed
        self.indexed = self.spec.get("completionMode") == "Indexed"

    def has(self, kind: str, value: str = "True") -> bool:
        return _has(self.status, kind, value)

    def had(self, kind: str) -> bool:
        return _has(self.old, kind, "True")

    def turns(self, *kinds: str) -> bool:
        """Does the truth of one of the conditions change?"""
        return any(self.has(kind) != self.had(kind) for kind in kinds)

    @property
    def ends(self) -> bool:
        """Does it become finished, or cease to be?"""
        return (self.had("Complete") or self.had("Failed")) != self.finished

    def changes(self, *fields: str) -> bool:
        return any((self.status.get(field) or None) != (self.old.get(field) or None) for field in fields)

    def sets(self, *fields: str) -> bool:
        """As `changes`, for fields where null and nothing differ."""
        return any(self.status.get(field) != self.old.get(field) for field in fields)


def _has(status: Object, kind: str, value: str) -> bool:
    return any(c.get("type") == kind and c.get("status") == value for c in status.get("conditions") or ())


def job_status_errors(job: Object, old: Object) -> Iterator[FieldError]:
    """Upstream ValidateJobStatusUpdate."""
    change = Changing(job, old)
    yield from optional_non_negative(change.status, COUNTS, "status")
    yield from _uncounted_errors(change.status.get("uncountedTerminatedPods") or {})
    yield from _end_errors(change)
    yield from _finished_errors(change)
    yield from _indexes_errors(change)
    yield from _pods_errors(change)
    yield from _criteria_errors(change)
    yield from _transition_errors(change)


def _uncounted_errors(uncounted: Object) -> Iterator[FieldError]:
    seen: set[str] = set()
    for field in ("succeeded", "failed"):
        for i, uid in enumerate(uncounted.get(field) or ()):
            path = f"status.uncountedTerminatedPods.{field}[{i}]"
            if not uid:
                yield invalid(path, uid, "must not be empty")
            elif uid in seen:
                yield duplicate(path, uid)
            seen.add(uid)


def _end_errors(change: Changing) -> Iterator[FieldError]:
    """Conditions that exclude each other, and the time of completion."""
    conditions, status = "status.conditions", change.status
    completion, start = status.get("completionTime"), status.get("startTime")
    if change.turns("Complete", "Failed") and change.complete and change.failed:
        yield invalid_omitted(conditions, "cannot set Complete=True and Failed=true conditions")
    if change.turns("Complete", "FailureTarget") and change.complete and change.target:
        yield invalid_omitted(conditions, "cannot set Complete=True and FailureTarget=true conditions")
    if change.turns("Complete") or change.sets("completionTime"):
        if completion is not None and not change.complete:
            message = "cannot set completionTime when there is no Complete=True condition"
            yield invalid("status.completionTime", completion, message)
        if completion is None and change.complete:
            yield required("status.completionTime", "completionTime is required for Complete jobs")
    if change.sets("startTime", "completionTime") and _is_before(completion, start):
        yield invalid("status.completionTime", completion, "must be equal to or after `startTime`")
    if (change.turns("Failed") or change.sets("failedIndexes")) and change.failed and not change.target:
        yield invalid_omitted(conditions, "cannot set Failed=True condition without the FailureTarget=true condition")
    if change.turns("Complete", "SuccessCriteriaMet") and change.complete and not change.met:
        message = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
        yield invalid_omitted(conditions, message)


def _is_before(time: str | None, other: str | None) -> bool:
    return time is not None and other is not None and parse_rfc3339(time) < parse_rfc3339(other)


def _finished_errors(change: Changing) -> Iterator[FieldError]:
    """A finished Job has nothing going on, and has begun."""
    if not change.finished:
        return
    status, uncounted = change.status, change.status.get("uncountedTerminatedPods") or {}
    if (change.ends or change.changes("active")) and (status.get("active") or 0) > 0:
        yield invalid("status.active", status["active"], "active>0 is invalid for finished job")
    never_needed_to = change.spec.get("suspend") is True and change.spec.get("completions") == 0
    if (change.ends or change.sets("startTime")) and status.get("startTime") is None and not never_needed_to:
        yield required("status.startTime", "startTime is required for finished job")
    if (change.ends or change.changes("uncountedTerminatedPods")) and any(uncounted.values()):
        shown = internal(uncounted, "UncountedTerminatedPods")
        yield invalid("status.uncountedTerminatedPods", shown, "must be empty for finished job")


def _indexes_errors(change: Changing) -> Iterator[FieldError]:
    status, completions = change.status, change.spec.get("completions")
    completed, failed = status.get("completedIndexes") or "", status.get("failedIndexes")
    per_index = change.spec.get("backoffLimitPerIndex") is not None
    new_completed, new_failed = change.changes("completedIndexes"), change.sets("failedIndexes")
    if new_completed and completions is not None:
        yield from _format_errors(completed, completions, "completedIndexes")
    if new_failed and completions is not None and per_index and failed is not None:
        yield from _format_errors(failed, completions, "failedIndexes")
    if new_completed and completed and not change.indexed:
        message = "cannot set non-empty completedIndexes when non-indexed completion mode"
        yield invalid("status.completedIndexes", completed, message)
    if new_failed and failed is not None and not per_index:
        message = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        yield invalid("status.failedIndexes", failed, message)
    if (new_completed or new_failed) and completions is not None and failed is not None:
        index = overlap(completed, failed, completions)
        if index is not None:
            message = f"failedIndexes and completedIndexes overlap at index: {index}"
            yield invalid("status.failedIndexes", failed, message)


def _format_errors(text: str, completions: int, field: str) -> Iterator[FieldError]:
    try:
        count_indexes(text, completions)
    except IndexesError as e:
        yield invalid(f"status.{field}", text, f"error parsing {field}: {e}")


def _pods_errors(change: Changing) -> Iterator[FieldError]:
    status = change.status
    if (change.ends or change.sets("terminating")) and change.finished and (status.get("terminating") or 0) > 0:
        yield invalid("status.terminating", status["terminating"], "terminating>0 is invalid for finished job")
    ready = status.get("ready")
    if (change.sets("ready") or change.changes("active")) and ready is not None and ready > (status.get("active") or 0):
        yield invalid("status.ready", ready, "cannot set more ready pods than active")


def _criteria_errors(change: Changing) -> Iterator[FieldError]:
    """SuccessCriteriaMet leads to Complete and to nothing else."""
    conditions = "status.conditions"
    if change.met and change.failed:
        yield invalid_omitted(conditions, "cannot set SuccessCriteriaMet=True and Failed=true conditions")
    if change.met and change.target:
        yield invalid_omitted(conditions, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions")
    if change.spec.get("successPolicy") is not None and not change.met and change.complete:
        message = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"
        yield invalid_omitted(conditions, message)


def _transition_errors(change: Changing) -> Iterator[FieldError]:
    conditions, status, old = "status.conditions", change.status, change.old
    for kind in LASTING:
        if change.had(kind) and not change.has(kind):
            yield invalid_omitted(conditions, f"cannot disable the terminal {kind}=True condition")
    # Indexed Jobs whose completions follow their parallelism may be scaled down.
    elastic = change.indexed and change.spec.get("completions") == change.spec.get("parallelism")
    for field in ("failed",) if elastic else ("failed", "succeeded"):
        if (status.get(field) or 0) < (old.get(field) or 0):
            yield invalid(f"status.{field}", status.get(field) or 0, f"cannot decrease the {field} counter")
    completion, before = status.get("completionTime"), old.get("completionTime")
    if completion is not None and before is not None and completion != before:
        yield invalid("status.completionTime", completion, IMMUTABLE)
    resumes = change.had("Suspended") and change.has("Suspended", "False")
    restarted = old.get("startTime") is not None and change.sets("startTime")
    if restarted and not resumes and not change.spec.get("suspend"):
        yield invalid("status.startTime", status.get("startTime"), "field is immutable for unsuspended job once set")
    if change.had("SuccessCriteriaMet") and not change.met:
        yield invalid_omitted(conditions, "cannot disable the SuccessCriteriaMet=True condition")
    if change.had("Complete") and not change.had("SuccessCriteriaMet") and change.met:
        message = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        yield invalid_omitted(conditions, message)
