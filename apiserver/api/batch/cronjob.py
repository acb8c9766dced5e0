"""CronJob: makes Jobs by a schedule."""

from __future__ import annotations

import re
from collections.abc import Iterator

from apiserver.api.batch.defaults import default_job_template
from apiserver.api.batch.job import drop_disabled_job_fields
from apiserver.api.batch.validation import bare_job_spec_errors
from apiserver.api.batch.warnings import job_spec_warnings
from apiserver.api.columns import AGE, NAME
from apiserver.api.strategy import KindStatusStrategy
from apiserver.api.templates import NONE, TemplateStrategy, container_columns, label_selector_text
from apiserver.api.validation.internal import label_selector
from apiserver.api.validation.pod.options import PodOptions
from apiserver.api.validation.workloads import optional_non_negative
from apiserver.apimachinery import cron
from apiserver.apimachinery.errors import FieldError, invalid, not_supported, required
from apiserver.apimachinery.objects import Object, get, name_of
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Since, Subresource

MAX_NAME = 52  # of 63 characters of a Job's name, 11 tell the time
CONCURRENCY = ("Allow", "Forbid", "Replace")
# https://data.iana.org/time-zones/theory.html#naming
_ZONE_PART = re.compile(r"[A-Za-z.\-_0-9+]{1,14}")
DEFAULTS = {"suspend": False, "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1}


class CronJobStrategy(TemplateStrategy):
    """Mirrors upstream registry/batch/cronjob and batch/v1 defaults."""

    names_pods = True
    template_path = ("spec", "jobTemplate", "spec", "template")

    def default(self, obj: Object) -> None:
        spec = obj["spec"]
        if not spec.get("concurrencyPolicy"):
            spec["concurrencyPolicy"] = "Allow"
        for field, value in DEFAULTS.items():
            if spec.get(field) is None:
                spec[field] = value
        default_job_template(_job_spec(obj))

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        super().prepare_for_create(ctx, obj)
        drop_disabled_job_fields(_job_spec(obj), None)

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        drop_disabled_job_fields(_job_spec(obj), _job_spec(old))
        super().prepare_for_update(ctx, obj, old)

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        yield from super().validate(ctx, obj)
        if len(name_of(obj)) > MAX_NAME:
            yield invalid("metadata.name", name_of(obj), f"must be no more than {MAX_NAME} characters")
        yield from _schedule_missing_errors(obj, None)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from super().validate_update(ctx, obj, old)
        yield from _schedule_missing_errors(obj, old)

    def spec_errors(self, obj: Object, old: Object | None) -> Iterator[FieldError]:
        return cronjob_spec_errors(obj["spec"], old and old["spec"], self.pod_options(old))

    def template_warnings(self, obj: Object) -> Iterator[str]:
        return job_spec_warnings(_job_spec(obj), "spec.jobTemplate.spec")

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[str]:
        yield from super().warnings_on_update(ctx, obj, old)
        if "TZ" in (obj["spec"].get("schedule") or ""):
            yield (
                "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see "
                "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
            )


def cronjob_spec_errors(spec: Object, old: Object | None, options: PodOptions) -> Iterator[FieldError]:
    """Upstream validateCronJobSpec."""
    old_schedule = (old or {}).get("schedule") or ""
    if spec.get("schedule"):
        yield from _schedule_errors(spec["schedule"], spec.get("timeZone"), "TZ" in old_schedule)
    yield from optional_non_negative(spec, ("startingDeadlineSeconds",), "spec")
    if old is None or old.get("timeZone") != spec.get("timeZone"):
        yield from _time_zone_errors(spec.get("timeZone"), "spec.timeZone")
    policy = spec.get("concurrencyPolicy") or ""
    if policy not in CONCURRENCY:
        yield not_supported("spec.concurrencyPolicy", policy, CONCURRENCY)
    job, path = spec["jobTemplate"].get("spec") or {}, "spec.jobTemplate.spec"
    yield from bare_job_spec_errors(job, path, options)
    if job.get("selector") is not None:
        yield invalid(f"{path}.selector", label_selector(job["selector"]), "`selector` will be auto-generated")
    if job.get("manualSelector"):
        yield not_supported(f"{path}.manualSelector", True, ("nil", "false"))
    yield from optional_non_negative(spec, ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"), "spec")


def _schedule_missing_errors(obj: Object, old: Object | None) -> Iterator[FieldError]:
    """Upstream checks this by declaration: after everything else, and not again what has not changed."""
    if not obj["spec"].get("schedule") and (old is None or old["spec"].get("schedule")):
        yield required("spec.schedule")


def _schedule_errors(schedule: str, zone: str | None, zone_allowed: bool) -> Iterator[FieldError]:
    path = "spec.schedule"
    try:
        cron.parse(schedule)
    except cron.CronError as e:
        yield invalid(path, schedule, str(e))
    if "TZ" not in schedule:
        return
    if not zone_allowed:
        yield invalid(path, schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
    elif zone is not None:
        yield invalid(path, schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule")


def _time_zone_errors(zone: str | None, path: str) -> Iterator[FieldError]:
    if zone is None:
        return
    if not zone:
        yield invalid(path, zone, "timeZone must be nil or non-empty string")
        return
    for part in zone.split("/"):
        if part in (".", "..") or part.startswith("-") or not _ZONE_PART.fullmatch(part):
            yield invalid(path, zone, f"unknown time zone {zone}")
            return
    if zone.lower() == "local":
        message = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        yield invalid(path, zone, message)
    try:
        cron.load_zone(zone)
    except ValueError as e:
        yield invalid(path, zone, str(e))


def _job_spec(obj: Object) -> Object:
    return obj["spec"].setdefault("jobTemplate", {}).setdefault("spec", {})  # type: ignore[no-any-return]


def _suspend_cell(obj: Object, now: float) -> str:
    suspend = get(obj, "spec", "suspend")
    return "<unset>" if suspend is None else str(suspend)


def _last_schedule_cell(obj: Object, now: float) -> object:
    time = get(obj, "status", "lastScheduleTime")
    return NONE if time is None else Since(time)


def _selector_cell(obj: Object, now: float) -> str:
    return label_selector_text(get(obj, "spec", "jobTemplate", "spec", "selector"), "<error>") or NONE


STRATEGY = CronJobStrategy()
RESOURCE = Resource(
    group="batch",
    plural="cronjobs",
    kind="CronJob",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=STRATEGY,
    short_names=("cj",),
    categories=("all",),
    empty={
        "spec": {
            "schedule": "",
            "jobTemplate": {"metadata": {}, "spec": {"template": {"metadata": {}, "spec": {"containers": None}}}},
        },
        "status": {},
    },
    subresources=(Subresource(name="status", strategy=KindStatusStrategy(STRATEGY)),),
    columns=(
        NAME,
        Column(
            "Schedule",
            lambda obj, now: get(obj, "spec", "schedule", default=""),
            description="The schedule in Cron format, see https://en.wikipedia.org/wiki/Cron.",
        ),
        Column(
            "Timezone",
            lambda obj, now: get(obj, "spec", "timeZone", default=NONE),
            description="The time zone name for the given schedule, see "
            "https://en.wikipedia.org/wiki/List_of_tz_database_time_zones. If not specified, this will default to the time zone "
            "of the kube-controller-manager process. The set of valid time zone names and the time zone offset is loaded from "
            "the system-wide time zone database by the API server during CronJob validation and the controller manager during "
            "execution. If no system-wide time zone database can be found a bundled version of the database is used instead. If "
            "the time zone name becomes invalid during the lifetime of a CronJob or due to a change in host configuration, the "
            "controller will stop creating new new Jobs and will create a system event with the reason UnknownTimeZone. More "
            "information can be found in "
            "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#time-zones",
        ),
        Column(
            "Suspend",
            _suspend_cell,
            type="boolean",
            description="This flag tells the controller to suspend subsequent executions, it does not apply to already started "
            "executions.  Defaults to false.",
        ),
        Column(
            "Active",
            lambda obj, now: len(get(obj, "status", "active", default=())),
            type="integer",
            description="A list of pointers to currently running jobs.",
        ),
        Column(
            "Last Schedule",
            _last_schedule_cell,
            description="Information when was the last time the job was successfully scheduled.",
        ),
        AGE,
        *container_columns("spec", "jobTemplate", "spec", "template"),
        Column(
            "Selector",
            _selector_cell,
            priority=1,
            description="A label query over pods that should match the pod count. Normally, the system sets this field for you. "
            "More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
        ),
    ),
)
