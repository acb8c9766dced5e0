"""ReplicationControllers and PodTemplates: defaults from labels, and where upstream says what is wrong with names."""

from __future__ import annotations

from apiserver.api.apps.tests.worlds import POD, created, errors, made
from apiserver.api.core import podtemplate, replicationcontroller

CONTROLLER, TEMPLATE = replicationcontroller.RESOURCE, podtemplate.RESOURCE


def test_labels_of_the_template_are_selector_and_labels() -> None:
    obj = created(CONTROLLER, made(CONTROLLER, {"spec": {"template": POD}}))
    assert (obj["spec"]["selector"], obj["metadata"]["labels"]) == ({"a": "b"}, {"a": "b"})
    assert (obj["spec"]["replicas"], obj["status"]) == (1, {"replicas": 0})


def test_amounts_are_told_last() -> None:
    obj = made(CONTROLLER, {"spec": {"template": POD, "selector": {"c": "d"}, "replicas": -1}})
    assert [e.partition(":")[0] for e in errors(CONTROLLER, obj)] == ["spec.template.metadata.labels", "spec.replicas"]


def test_an_amount_that_was_wrong_already_does_not_block_a_change() -> None:
    old = made(CONTROLLER, {"spec": {"template": POD, "replicas": -1}})
    obj = made(CONTROLLER, {"spec": {"template": POD, "replicas": -1, "minReadySeconds": 3}})
    assert errors(CONTROLLER, obj, old) == []


def test_a_template_alone_has_a_generation() -> None:
    obj = created(TEMPLATE, made(TEMPLATE, {"template": POD}))
    assert errors(TEMPLATE, obj) == []
    assert obj["metadata"]["generation"] == 1
    assert "status" not in obj


def test_too_long_a_name_is_counted_in_bytes() -> None:
    obj = made(CONTROLLER, {"spec": {"template": POD}})
    obj["metadata"]["name"] = "a" * 254
    assert [e.rpartition(": ")[2] for e in errors(CONTROLLER, obj)] == ["must be no more than 253 bytes"]
