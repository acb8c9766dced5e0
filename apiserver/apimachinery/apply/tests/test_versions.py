"""Owners speak different versions of a kind: sets are compared in the version they were written in."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.apimachinery import objects, schemas
from apiserver.apimachinery.apply import FieldManager
from apiserver.apimachinery.apply.tests.worlds import World
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersion
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.schema import Schema

KIND = "HorizontalPodAutoscaler"
V1, V2 = "autoscaling/v1", "autoscaling/v2"


def convert(obj: Object, version: str) -> Object:
    """The part of the real conversion that these tests need: one CPU target."""
    if version not in (V1, V2):
        raise KeyError(version)
    obj = objects.copy(obj)
    spec = obj.get("spec") or {}
    if version == V2 and (target := spec.pop("targetCPUUtilizationPercentage", None)) is not None:
        spec["metrics"] = metrics(target)
    if version == V1 and (found := spec.pop("metrics", None)):
        spec["targetCPUUtilizationPercentage"] = found[0]["resource"]["target"]["averageUtilization"]
    obj["apiVersion"] = version
    return obj


def metrics(target: int) -> list[Any]:
    resource = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}}
    return [{"type": "Resource", "resource": resource}]


def schema_of(version: str) -> Schema:
    return schemas.builtin().schema(GroupVersion.parse(version).with_kind(KIND))


@pytest.fixture
def world() -> World:
    return World(KIND, V2, FieldManager(KIND, V2, schema_of, convert))


def autoscaler(**spec: Any) -> Object:
    return {"metadata": {"name": "h"}, "spec": {"maxReplicas": 5, **spec}}


def test_an_update_in_another_version_takes_what_it_changed(world: World) -> None:
    world.write(autoscaler(metrics=metrics(50)), "m1", api_version=V1)
    assert world.owned == {"m1": {"f:spec": {"f:maxReplicas": {}, "f:targetCPUUtilizationPercentage": {}}}}
    world.write(autoscaler(metrics=metrics(60)), "m2", api_version=V2)
    assert world.owned == {"m1": {"f:spec": {"f:maxReplicas": {}}}, "m2": {"f:spec": {"f:metrics": {}}}}


def test_an_updater_of_two_versions_has_two_entries(world: World) -> None:
    world.write(autoscaler(metrics=metrics(50)), "m1", api_version=V1)
    world.write(autoscaler(metrics=metrics(50), minReplicas=2), "m1", api_version=V2)
    assert [(entry["apiVersion"], entry["fieldsV1"]) for entry in world.entries] == [
        (V1, {"f:spec": {"f:maxReplicas": {}, "f:targetCPUUtilizationPercentage": {}}}),
        (V2, {"f:spec": {"f:minReplicas": {}}}),
    ]


def test_an_owner_in_another_group_is_forgotten() -> None:
    def schema_of(version: str) -> Schema:
        return schemas.builtin().schema(GroupVersion.parse(version).with_kind("Event"))

    def in_version(obj: Object, version: str) -> Object:
        return {**objects.copy(obj), "apiVersion": version}

    world = World("Event", "v1", FieldManager("Event", "v1", schema_of, in_version))
    world.write({"reason": "a"}, "m1", api_version="v1")
    world.write({"reason": "a", "type": "Normal"}, "m2", api_version="events.k8s.io/v1")
    assert world.owned == {"m2": {"f:type": {}}}


def test_an_applier_has_one_entry_and_gives_up_across_versions(world: World) -> None:
    config = autoscaler(targetCPUUtilizationPercentage=60)
    world.apply({**config, "apiVersion": V1})
    world.apply({**autoscaler(), "apiVersion": V2})
    assert [(entry["apiVersion"], entry["fieldsV1"]) for entry in world.entries] == [
        (V2, {"f:spec": {"f:maxReplicas": {}}})
    ]
    assert world.live is not None
    assert "metrics" not in world.live["spec"]


def test_a_conflict_is_found_across_versions(world: World) -> None:
    world.write(autoscaler(metrics=metrics(50)), "m1", api_version=V1)
    with pytest.raises(StatusError) as caught:
        world.apply({**autoscaler(metrics=metrics(70)), "apiVersion": V2})
    assert caught.value.message == (
        'Apply failed with 1 conflict: conflict with "m1" using autoscaling/v1: .spec.targetCPUUtilizationPercentage'
    )
