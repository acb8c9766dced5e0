"""CronJobs: schedules, time zones, names, the Job inside."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.api.apps.tests.worlds import CTX, created, errors, made
from apiserver.api.batch import cronjob
from apiserver.api.batch.tests.test_jobs import POD
from apiserver.apimachinery.objects import Object

RESOURCE = cronjob.RESOURCE


def new(name: str = "x", **spec: Any) -> Object:
    body = {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": POD}}, **spec}
    return created(RESOURCE, made(RESOURCE, {"spec": body}, name=name))


def test_a_plain_cronjob_is_valid_and_its_job_gets_no_defaults_of_jobs() -> None:
    obj = new()
    assert errors(RESOURCE, obj) == []
    assert (obj["spec"]["concurrencyPolicy"], obj["spec"]["successfulJobsHistoryLimit"]) == ("Allow", 3)
    assert "completions" not in obj["spec"]["jobTemplate"]["spec"]


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({"schedule": ""}, ["spec.schedule: Required value"]),
        (
            {"schedule": "60 * * * *"},
            ['spec.schedule: Invalid value: "60 * * * *": end of range (60) above maximum (59): 60'],
        ),
        (
            {"schedule": "TZ=UTC * * * * *"},
            [
                'spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field '
                "instead"
            ],
        ),
        ({"timeZone": "Europe/Berlin"}, []),
        ({"timeZone": "Nowhere"}, ['spec.timeZone: Invalid value: "Nowhere": unknown time zone Nowhere']),
        ({"timeZone": "../x"}, ['spec.timeZone: Invalid value: "../x": unknown time zone ../x']),
        (
            {"concurrencyPolicy": "Odd"},
            ['spec.concurrencyPolicy: Unsupported value: "Odd": supported values: "Allow", "Forbid", "Replace"'],
        ),
    ],
)
def test_schedules_and_zones(spec: dict[str, Any], found: list[str]) -> None:
    assert errors(RESOURCE, new(**spec)) == found


def test_a_zone_that_is_gone_does_not_block_other_changes() -> None:
    old, obj = new(timeZone="Old/Zone"), new(timeZone="Old/Zone", suspend=True)
    assert errors(RESOURCE, obj, old) == []


def test_names_leave_room_for_the_time() -> None:
    found = errors(RESOURCE, new("x" * 53))
    assert found == [f'metadata.name: Invalid value: "{"x" * 53}": must be no more than 52 characters']


def test_selectors_are_left_to_the_job() -> None:
    spec = {"template": POD, "selector": {"matchLabels": {"a": "b"}}, "manualSelector": True}
    assert errors(RESOURCE, new(jobTemplate={"spec": spec})) == [
        'spec.jobTemplate.spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` will be auto-generated',
        'spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"',
    ]


def test_a_zone_in_the_schedule_is_warned_of() -> None:
    old, obj = new(schedule="TZ=UTC * * * * *"), new(schedule="TZ=UTC * * * * *")
    assert [w.partition(" in ")[0] for w in RESOURCE.strategy.warnings_on_update(CTX, obj, old)] == [
        "cannot use TZ or CRON_TZ"
    ]
