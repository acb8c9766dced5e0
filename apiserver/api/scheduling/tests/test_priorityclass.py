"""PriorityClass: bounds, the system's two, what may not change."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.api.scheduling.priorityclass import RESOURCE
from apiserver.apimachinery.clock import SystemClock
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.registry.context import Context

CTX = Context(SystemClock(), Random(1), verb="delete")
RESERVED = (
    "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: "
)


def make(name: str = "x", **fields: Any) -> Object:
    obj: Object = {"metadata": {"name": name, "resourceVersion": "7"}, **fields}
    RESOURCE.strategy.default(obj)
    return obj


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (make(value=1_000_000_000), []),
        (
            make(value=1_000_000_001),
            ["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
        ),
        (make("system-x"), [RESERVED + "system-x is not a known system priority class"]),
        (
            make("system-node-critical", value=5),
            [RESERVED + "value of system-node-critical PriorityClass must be 2000001000"],
        ),
        (
            make("system-cluster-critical", value=2_000_000_000, globalDefault=True),
            [RESERVED + "globalDefault of system-cluster-critical PriorityClass must be false"],
        ),
        (
            make(preemptionPolicy="x"),
            ['preemptionPolicy: Unsupported value: "x": supported values: "PreemptLowerPriority", "Never"'],
        ),
    ],
)
def test_validation(obj: Object, expected: list[str]) -> None:
    assert [str(e) for e in RESOURCE.strategy.validate(CTX, obj)] == expected


def test_value_and_policy_are_for_good() -> None:
    found = RESOURCE.strategy.validate_update(CTX, make(value=6, preemptionPolicy="Never"), make())
    assert [str(e) for e in found] == [
        "value: Forbidden: may not be changed in an update.",
        'preemptionPolicy: Invalid value: "Never": field is immutable',
    ]


def test_the_systems_classes_stay() -> None:
    with pytest.raises(StatusError) as refused:
        RESOURCE.strategy.check_delete(CTX, make("system-node-critical"))
    assert refused.value.message == (
        'priorityclasses.scheduling.k8s.io "system-node-critical" is forbidden: this is a system priority class and cannot '
        "be deleted"
    )
    RESOURCE.strategy.check_delete(CTX, make("mine"))
