"""Job: pods that run to an end, so many of them, so many at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apiserver.api.batch.defaults import default_job_spec, default_job_template
from apiserver.api.batch.labels import CONTROLLER_UID, JOB_NAME, LEGACY_CONTROLLER_UID, LEGACY_JOB_NAME
from apiserver.api.batch.status_validation import job_status_errors
from apiserver.api.batch.validation import (
    generated_selector_errors,
    host_name_errors,
    job_spec_errors,
    job_update_errors,
)
from apiserver.api.batch.warnings import job_spec_warnings
from apiserver.api.columns import AGE, NAME
from apiserver.api.strategy import KindStatusStrategy, metadata_update_errors
from apiserver.api.templates import TemplateStrategy, container_columns, selector_cell
from apiserver.api.validation.label_selectors import has_invalid_values
from apiserver.apimachinery.clock import parse_rfc3339
from apiserver.apimachinery.duration import human
from apiserver.apimachinery.errors import FieldError
from apiserver.apimachinery.objects import Object, get, labels_of, name_of
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Since, Subresource

# The status a condition stands for, the weightiest first; a deletion comes after FAILED.
ENDS = (("Complete", "Complete"), ("Failed", "Failed"))
ORPHANS = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
    "propagationPolicy=Orphan to suppress this warning"
)
STATES = ("Suspended", "FailureTarget", "SuccessCriteriaMet")


class JobStrategy(TemplateStrategy):
    """Mirrors upstream registry/batch/job and batch/v1 defaults."""

    names_pods = True
    default_gc_policy = "orphan"  # as batch/v1 always did

    def default(self, obj: Object) -> None:
        spec = obj["spec"]
        default_job_spec(spec)
        default_job_template(spec)
        template_labels = labels_of(spec["template"])
        if template_labels and not labels_of(obj):
            # Shared, as upstream's are: the labels that a selector is generated from show on the Job, too.
            obj["metadata"]["labels"] = template_labels

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        if obj["metadata"].get("generateName") and labels_of(obj):
            # Upstream tries generated names on copies, and a copy shares nothing.
            obj["metadata"]["labels"] = dict(labels_of(obj))
        if not obj["spec"].get("manualSelector"):
            _generate_selector(obj)
        super().prepare_for_create(ctx, obj)
        drop_disabled_job_fields(obj["spec"], None)

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        drop_disabled_job_fields(obj["spec"], old["spec"])
        super().prepare_for_update(ctx, obj, old)

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        yield from generated_selector_errors(obj)
        yield from job_spec_errors(obj["spec"], "spec", self.pod_options(None))
        yield from host_name_errors(obj)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        options = self.pod_options(old)
        any_values = options.any_affinity_values or has_invalid_values(old["spec"].get("selector"))
        yield from job_update_errors(obj, old, options, any_values=any_values)

    def warnings_on_delete(self, options: Mapping[str, Any]) -> Iterator[str]:
        if options.get("propagationPolicy") is None and options.get("orphanDependents") is None:
            yield ORPHANS

    def template_warnings(self, obj: Object) -> Iterator[str]:
        return job_spec_warnings(obj["spec"], "spec")


def drop_disabled_job_fields(spec: Object, old: Object | None) -> None:
    """WorkloadWithJob is off in this version."""
    if old is None or old.get("scheduling") is None:
        spec.pop("scheduling", None)


def _generate_selector(obj: Object) -> None:
    """Labels that tell this Job's pods from all others, and the selector for them; what is there already is validated."""
    spec, uid = obj["spec"], obj["metadata"].get("uid") or ""
    labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    for label in (LEGACY_JOB_NAME, JOB_NAME):
        labels.setdefault(label, name_of(obj))
    for label in (LEGACY_CONTROLLER_UID, CONTROLLER_UID):
        labels.setdefault(label, uid)
    selector = spec.get("selector") or {}
    spec["selector"] = selector
    selector.setdefault("matchLabels", {}).setdefault(CONTROLLER_UID, uid)


class JobStatusStrategy(KindStatusStrategy):
    """`/status`: what the controller writes, ours or another one."""

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        yield from job_status_errors(obj, old)


def _has_condition(obj: Object, kind: str) -> bool:
    for condition in get(obj, "status", "conditions", default=()):
        if condition.get("type") == kind:
            return bool(condition.get("status") == "True")
    return False


def _status_cell(obj: Object, now: float) -> str:
    for end, shown in ENDS:
        if _has_condition(obj, end):
            return shown
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return next((state for state in STATES if _has_condition(obj, state)), "Running")


def _completions_cell(obj: Object, now: float) -> str:
    succeeded = get(obj, "status", "succeeded", default=0)
    completions, parallelism = get(obj, "spec", "completions"), get(obj, "spec", "parallelism", default=0)
    if completions is not None:
        return f"{succeeded}/{completions}"
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _duration_cell(obj: Object, now: float) -> Any:
    start, end = get(obj, "status", "startTime"), get(obj, "status", "completionTime")
    if start is None:
        return ""
    if end is None:
        return Since(start)
    return human(parse_rfc3339(end) - parse_rfc3339(start))


STRATEGY = JobStrategy()
RESOURCE = Resource(
    group="batch",
    plural="jobs",
    kind="Job",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=STRATEGY,
    categories=("all",),
    empty={"spec": {"template": {"metadata": {}, "spec": {"containers": None}}}, "status": {}},
    selectable={"status.successful": lambda obj: str(get(obj, "status", "succeeded", default=0))},
    subresources=(Subresource(name="status", strategy=JobStatusStrategy(STRATEGY)),),
    columns=(
        NAME,
        Column("Status", _status_cell, description="Status of the job."),
        Column(
            "Completions",
            _completions_cell,
            description="The number of pods which reached phase Succeeded. The value increases monotonically for a given spec. "
            "However, it may decrease in reaction to scale down of elastic indexed jobs.",
        ),
        Column("Duration", _duration_cell, description="Time required to complete the job."),
        AGE,
        *container_columns("spec", "template"),
        Column(
            "Selector",
            selector_cell,
            priority=1,
            description="A label query over pods that should match the pod count. Normally, the system sets this field for you. "
            "More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
        ),
    ),
)
