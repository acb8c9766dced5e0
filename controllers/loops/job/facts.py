"""What a Job and its pods say: pure functions (upstream pkg/controller/job)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import parse_rfc3339
from apiserver.apimachinery.objects import Object
from controllers.framework import pods as pod_facts

API_VERSION, KIND = "batch/v1", "Job"
TRACKING = "batch.kubernetes.io/job-tracking"  # the finalizer of pods that are not counted yet
INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED_FAILURES = "batch.kubernetes.io/job-index-ignored-failure-count"
OURSELVES = "kubernetes.io/job-controller"  # spec.managedBy that means this loop

INT32_MAX = 2**31 - 1


# The Job


def is_indexed(job: Object) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def completions(job: Object) -> int | None:
    count: int | None = job["spec"].get("completions")
    return count


def is_suspended(job: Object) -> bool:
    return bool(job["spec"].get("suspend"))


def has_limit_per_index(job: Object) -> bool:
    return job["spec"].get("backoffLimitPerIndex") is not None


def replaces_only_failed(job: Object) -> bool:
    """podReplacementPolicy Failed: a pod on its way out is neither failed yet nor to be replaced."""
    return bool(job["spec"].get("podReplacementPolicy") == "Failed")


def is_managed_elsewhere(job: Object) -> bool:
    return job["spec"].get("managedBy") not in (None, OURSELVES)


def finished_condition(job: Object) -> Object | None:
    """The condition that says the job is over, if it is."""
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return condition  # type: ignore[no-any-return]
    return None


def true_condition(job: Object, kind: str) -> Object | None:
    condition = pod_facts.condition(job, kind)
    return condition if condition is not None and condition["status"] == "True" else None


def new_condition(kind: str, status: str, reason: str, message: str, now: str) -> Object:
    return {
        "type": kind,
        "status": status,
        "lastProbeTime": now,
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }


def ensure_condition(status: Object, kind: str, value: str, reason: str, message: str, now: str) -> bool:
    """Bring a condition to a state; whether that changed anything. One that is not there is not added to say False."""
    conditions = status.setdefault("conditions", [])
    for i, condition in enumerate(conditions):
        if condition["type"] == kind:
            if (condition["status"], condition.get("reason"), condition.get("message")) == (value, reason, message):
                return False
            conditions[i] = new_condition(kind, value, reason, message, now)
            return True
    if value == "False":
        return False
    conditions.append(new_condition(kind, value, reason, message, now))
    return True


# Its pods


def is_tracked(pod: Object) -> bool:
    return TRACKING in (pod["metadata"].get("finalizers") or ())


def is_failed(pod: Object, job: Object) -> bool:
    """Failed, or deleted before it could: an orphan never reaches the phase. Not so when only failed pods are replaced."""
    if pod_facts.phase(pod) == "Failed":
        return True
    if replaces_only_failed(job):
        return False
    return bool(pod["metadata"].get("deletionTimestamp")) and pod_facts.phase(pod) != "Succeeded"


def index_of(pod: Object) -> int | None:
    """The pod's completion index; None when it has none."""
    text = objects.annotations_of(pod).get(INDEX, "")
    return int(text) if text.isascii() and text.isdigit() else None


def valid_index(pod: Object, job: Object) -> int | None:
    """The index, if it is one the job has."""
    index, count = index_of(pod), completions(job)
    return index if index is not None and count is not None and index < count else None


def indexes_of(pods: Iterable[Object]) -> list[int]:
    return sorted({index for pod in pods if (index := index_of(pod)) is not None})


def count(pod: Object, annotation: str) -> int:
    text = objects.annotations_of(pod).get(annotation, "")
    number = int(text) if text.isascii() and text.isdigit() else 0
    return number if number <= INT32_MAX else 0


def index_failures(pod: Object) -> int:
    return count(pod, FAILURES)


def all_index_failures(pod: Object) -> int:
    return count(pod, FAILURES) + count(pod, IGNORED_FAILURES)


def restarts(pods: Iterable[Object]) -> int:
    """Container restarts of the pods that are not over."""
    total = 0
    for pod in pods:
        if pod_facts.phase(pod) in ("Running", "Pending"):
            status = pod["status"]
            for field in ("initContainerStatuses", "containerStatuses"):
                total += sum(s.get("restartCount", 0) for s in status.get(field) or ())
    return total


def past_restart_limit(job: Object, pods: Iterable[Object]) -> bool:
    """Restarts count against the limit where containers are restarted in place."""
    if job["spec"]["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    limit, total = job["spec"].get("backoffLimit", 6), restarts(pods)
    return total > 0 if limit == 0 else total >= limit


def finished_at(pod: Object) -> float:
    """When the pod ended: by its containers, else by its Ready condition, else by its deletion, else by its creation."""
    status = pod.get("status") or {}
    times = [_terminated_at(s) for s in status.get("containerStatuses") or ()]
    sidecars = {c["name"] for c in pod["spec"].get("initContainers") or () if c.get("restartPolicy") == "Always"}
    times += [_terminated_at(s) for s in status.get("initContainerStatuses") or () if s["name"] in sidecars]
    if times and None not in times:
        return max(t for t in times if t is not None)
    ready = pod_facts.condition(pod, "Ready")
    if ready is not None and ready["status"] == "False" and ready.get("lastTransitionTime"):
        return parse_rfc3339(ready["lastTransitionTime"])
    meta = pod["metadata"]
    if meta.get("deletionTimestamp"):
        grace: int = meta.get("deletionGracePeriodSeconds") or 0
        return parse_rfc3339(meta["deletionTimestamp"]) - grace
    return parse_rfc3339(meta["creationTimestamp"])


def _terminated_at(container_status: Object) -> float | None:
    at = ((container_status.get("state") or {}).get("terminated") or {}).get("finishedAt")
    return parse_rfc3339(at) if at else None


def plain_status(status: dict[str, Any]) -> dict[str, Any]:
    """The status as it goes over the wire: counts of zero and empty texts are left out, as Go does."""
    omitted = ("active", "succeeded", "failed", "completedIndexes", "conditions")
    return {k: v for k, v in status.items() if not (v is None or (k in omitted and not v))}
