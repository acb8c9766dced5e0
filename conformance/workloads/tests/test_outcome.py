"""The workloads check's own rules: scenes are whole, chance is masked, and what differs is seen."""

from __future__ import annotations

from conformance.workloads.__main__ import scenes
from conformance.workloads.outcome import _Mask, differences


def test_scenes_have_names_of_their_own_and_steps_that_are_known() -> None:
    names = [scene["name"] for scene in scenes()]
    assert len(names) == len(set(names)) > 30
    verbs = {verb for scene in scenes() for step in scene["steps"] for verb in step}
    assert verbs == {"create", "patch", "delete", "evict", "wait"}


def test_chance_and_clock_are_masked_and_names_are_not() -> None:
    mask = _Mask(["5d9c7b8f6"])
    assert mask.text("Created pod: web-5d9c7b8f6-x2x4z") == "Created pod: web-HASH-CHANCE"
    assert mask.text("Created job tick-29411234 at 2026-01-01T00:00:00Z") == "Created job tick-MINUTE at TIME"
    assert mask.text("work-1-bcdfg of web-0") == "work-1-CHANCE of web-0"
    assert mask.text("f95a7b74-3fcc-4c7d-bcab-14ff7fca6082") == "UID"


def test_conditions_are_compared_by_type() -> None:
    a, b = {"type": "A", "status": "True"}, {"type": "B", "status": "True"}
    assert _Mask([]).value({"conditions": [b, a]}) == {"conditions": [a, b]}


def test_a_field_an_object_and_an_event_that_differ_are_told() -> None:
    theirs = {"a jobs": ['{"status": {"failed": 1}}'], "a events": ["x"], "b pods": ["{}"]}
    ours = {"a jobs": ['{"status": {"failed": 2}}'], "a events": ["y"], "b pods": []}
    assert list(differences(theirs, ours)) == [
        "a events: only theirs: x",
        "a events: only ours: y",
        "a jobs: .status.failed: theirs 1, ours 2",
        "b pods: only theirs: {}",
    ]
    assert list(differences(theirs, theirs)) == []
