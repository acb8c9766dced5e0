"""Defaults of a JobSpec (upstream pkg/apis/batch/v1/defaults.go)."""

from __future__ import annotations

from apiserver.api.podspec.defaults import default_pod_spec
from apiserver.apimachinery.formats import MAX_INT32
from apiserver.apimachinery.objects import Object

BACKOFF_LIMIT = 6


def default_job_spec(spec: Object) -> None:
    """What a Job gets, and the Jobs a CronJob makes get when they are made (upstream SetDefaults_Job)."""
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    if spec.get("parallelism") is None:
        spec["parallelism"] = 1
    if spec.get("backoffLimit") is None:
        spec["backoffLimit"] = BACKOFF_LIMIT if spec.get("backoffLimitPerIndex") is None else MAX_INT32
    if spec.get("completionMode") is None:
        spec["completionMode"] = "NonIndexed"
    if spec.get("suspend") is None:
        spec["suspend"] = False
    if spec.get("podReplacementPolicy") is None:
        spec["podReplacementPolicy"] = "TerminatingOrFailed" if spec.get("podFailurePolicy") is None else "Failed"
    if spec.get("manualSelector") is None:
        spec["manualSelector"] = False


def default_job_template(spec: Object) -> None:
    """Of every JobSpec, also inside a CronJob: the pod template, and the conditions a failure policy looks for."""
    default_pod_spec(spec.setdefault("template", {}).setdefault("spec", {}))
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            if not pattern.get("status"):
                pattern["status"] = "True"
