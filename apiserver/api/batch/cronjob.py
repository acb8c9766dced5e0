"""CronJob: makes Jobs by a schedule."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.batch.defaults import default_job_template
from apiserver.api.batch.job import drop_disabled_job_fields
from apiserver.api.batch.warnings import job_spec_warnings
from apiserver.api.columns import AGE, NAME
from apiserver.api.strategy import KindStatusStrategy
from apiserver.api.templates import NONE, TemplateStrategy, container_columns, label_selector_text
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Since, Subresource

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

    def template_warnings(self, obj: Object) -> Iterator[str]:
        return job_spec_warnings(_job_spec(obj), "spec.jobTemplate.spec")

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[str]:
        yield from super().warnings_on_update(ctx, obj, old)
        if "TZ" in (obj["spec"].get("schedule") or ""):
            yield (
                "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see "
                "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
            )


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
