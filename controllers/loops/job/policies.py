"""A Job's policies over its pods: which failures count, when an index or the job has failed, when it has succeeded enough.

Mirrors upstream pkg/controller/job/pod_failure_policy.go, success_policy.go and indexed_job_utils.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from apiserver.apimachinery.objects import Object
from controllers.framework import pods as pod_facts
from controllers.loops.job.facts import (
    FAILURES,
    IGNORED_FAILURES,
    completions,
    count,
    index_failures,
    is_failed,
    is_tracked,
    valid_index,
)
from controllers.loops.job.indexes import Indexes


class Failure(NamedTuple):
    """What the pod failure policy makes of a failed pod: the action, and what to say if the job fails of it."""

    action: str = ""
    message: str = ""

    @property
    def counts(self) -> bool:
        return self.action != "Ignore"

    @property
    def fails_job(self) -> bool:
        return self.action == "FailJob"


def match_failure(job: Object, pod: Object) -> Failure:
    """The first rule that fits decides; without one the failure counts."""
    for i, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules") or ()):
        why = _why(rule, pod)
        if why is not None:
            return Failure(rule["action"], f"{why} matching {rule['action']} rule at index {i}")
    return Failure()


def _why(rule: Object, pod: Object) -> str | None:
    named = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    status = pod.get("status") or {}
    if rule.get("onExitCodes") is not None:
        for field in ("containerStatuses", "initContainerStatuses"):
            for container in status.get(field) or ():
                code = _matching_code(container, rule["onExitCodes"])
                if code is not None:
                    return f"Container {container['name']} for pod {named} failed with exit code {code}"
        return None
    for condition in status.get("conditions") or ():
        for pattern in rule.get("onPodConditions") or ():
            if (condition["type"], condition["status"]) == (pattern["type"], pattern.get("status", "True")):
                return f"Pod {named} has condition {condition['type']}"
    return None


def _matching_code(container_status: Object, wanted: Object) -> int | None:
    terminated = (container_status.get("state") or {}).get("terminated")
    if terminated is None or wanted.get("containerName") not in (None, container_status["name"]):
        return None
    code: int = terminated.get("exitCode", 0)
    if code == 0 or (code in wanted["values"]) != (wanted["operator"] == "In"):
        return None
    return code


def job_failure_message(job: Object, pods: Iterable[Object]) -> str | None:
    """Why the job has to fail at once, if its policy says so for one of its pods."""
    if not job["spec"].get("podFailurePolicy"):
        return None
    for pod in pods:
        if is_failed(pod, job) and (failure := match_failure(job, pod)).fails_job:
            return failure.message
    return None


def matched_success_rule(job: Object, succeeded: Indexes) -> str | None:
    """What to say when the success policy is met."""
    policy = job["spec"].get("successPolicy")
    if not policy or not len(succeeded):
        return None
    for i, rule in enumerate(policy.get("rules") or ()):
        if _meets(rule, succeeded, completions(job) or 0):
            return f"Matched rules at index {i}"
    return None


def _meets(rule: Object, succeeded: Indexes, total: int) -> bool:
    wanted_count: int | None = rule.get("succeededCount")
    if rule.get("succeededIndexes") is None:
        return wanted_count is not None and len(succeeded) >= wanted_count
    wanted = Indexes.parse(rule["succeededIndexes"], total)
    if not len(wanted):
        return False
    there = succeeded.common(wanted)
    return there == len(wanted) or (wanted_count is not None and there >= wanted_count)


def succeeded_indexes(job: Object, pods: Sequence[Object]) -> tuple[Indexes, Indexes]:
    """(as the status has them, with those that succeeded since)."""
    before = Indexes.parse((job.get("status") or {}).get("completedIndexes") or "", completions(job) or 0)
    new = [
        index
        for pod in pods
        if pod_facts.phase(pod) == "Succeeded" and is_tracked(pod) and (index := valid_index(pod, job)) is not None
    ]
    return before, before.adding(new)


def failed_indexes(job: Object, pods: Sequence[Object]) -> Indexes:
    before = Indexes.parse((job.get("status") or {}).get("failedIndexes") or "", completions(job) or 0)
    new = [
        index
        for pod in pods
        if is_tracked(pod) and _fails_index(job, pod) and (index := valid_index(pod, job)) is not None
    ]
    return before.adding(new)


def _fails_index(job: Object, pod: Object) -> bool:
    if not is_failed(pod, job):
        return False
    failure = match_failure(job, pod)
    if failure.action == "FailIndex":
        return True
    return failure.counts and index_failures(pod) >= int(job["spec"]["backoffLimitPerIndex"])


def next_failure_counts(job: Object, replaced: Object | None) -> tuple[int, int]:
    """(counted, ignored) failures of an index whose pod `replaced` gets a successor."""
    if replaced is None:
        return 0, 0
    counted, ignored = count(replaced, FAILURES), count(replaced, IGNORED_FAILURES)
    if match_failure(job, replaced).counts:
        return counted + 1, ignored
    return counted, ignored + 1
