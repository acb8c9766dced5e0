"""PriorityLevelConfigurations: what has to go with which type."""

from __future__ import annotations

from apiserver.api.apps.tests.worlds import created, errors, made
from apiserver.api.flowcontrol import prioritylevelconfiguration
from apiserver.apimachinery.objects import Object

RESOURCE = prioritylevelconfiguration.RESOURCE


def level(**spec: object) -> Object:
    return created(RESOURCE, made(RESOURCE, {"spec": spec}, name="x"))


def test_members_that_do_not_fit_the_type_are_told_last_and_before_a_missing_type() -> None:
    response = {"queuing": {"queues": 0, "handSize": 1, "queueLengthLimit": 1}}
    found = errors(RESOURCE, level(exempt={"lendablePercent": 1}, limited={"limitResponse": response}))
    assert [error.split(": ")[0] for error in found] == [
        "spec.exempt",
        "spec.limited",
        "spec.type",
        "spec.limited.limitResponse.queuing",
        "spec.limited.limitResponse.type",
    ]
