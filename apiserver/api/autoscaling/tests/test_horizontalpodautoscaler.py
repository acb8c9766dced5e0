"""HorizontalPodAutoscalers: which references to what is scaled are good, when made and when changed."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.api.apps.tests.worlds import created, errors, made
from apiserver.api.autoscaling import horizontalpodautoscaler
from apiserver.api.autoscaling.conversion import convert
from apiserver.apimachinery.objects import Object

RESOURCE = horizontalpodautoscaler.RESOURCE
NO_GROUP = 'spec.scaleTargetRef.apiVersion: Invalid value: "v1": apiVersion must specify API group'


def scaling(kind: str, api_version: str, **spec: object) -> Object:
    target = {"kind": kind, "name": "web", "apiVersion": api_version}
    return created(RESOURCE, made(RESOURCE, {"spec": {"scaleTargetRef": target, "maxReplicas": 2, **spec}}))


@pytest.mark.parametrize(
    ("kind", "api_version", "refusals"),
    [
        ("ReplicationController", "v1", []),
        ("ReplicationController", "", []),
        ("Deployment", "apps/v1", []),
        ("Deployment", "v1", [NO_GROUP]),
    ],
)
def test_the_core_group_is_meant_only_for_replication_controllers(
    kind: str, api_version: str, refusals: list[str]
) -> None:
    assert errors(RESOURCE, scaling(kind, api_version)) == refusals


def test_an_update_that_leaves_the_target_alone_is_not_asked_for_its_group_again() -> None:
    old = scaling("Deployment", "v1")
    assert errors(RESOURCE, scaling("Deployment", "v1", maxReplicas=5), old) == []
    assert errors(RESOURCE, scaling("ReplicaSet", "v1"), old) == [NO_GROUP]
    assert errors(RESOURCE, scaling("ReplicaSet", "apps/v1"), old) == []


def test_an_autoscaler_of_which_parts_are_null_converts_without_a_fault() -> None:
    parts: dict[str, Any] = {"metadata": {"name": "h"}, "spec": None, "status": None}
    v2 = convert({"apiVersion": "autoscaling/v1", **parts}, "autoscaling/v2")
    assert (v2["apiVersion"], v2["spec"]["metrics"][0]["resource"]["name"]) == ("autoscaling/v2", "cpu")
    v1 = convert({"apiVersion": "autoscaling/v2", **parts}, "autoscaling/v1")
    assert v1["apiVersion"] == "autoscaling/v1"


def metric(name: str, container: str) -> Object:
    source = {"name": name, "container": container, "target": {"type": "Utilization", "averageUtilization": 5}}
    return {"type": "ContainerResource", "containerResource": source}


def test_bounds_that_upstream_declares_are_told_last() -> None:
    obj = scaling("Deployment", "v1", minReplicas=-1, maxReplicas=-2)
    assert errors(RESOURCE, obj) == [
        "spec.maxReplicas: Invalid value: -2: must be greater than or equal to `minReplicas`",
        NO_GROUP,
        "spec.minReplicas: Invalid value: -1: must be greater than or equal to 0",
        "spec.maxReplicas: Invalid value: -2: must be greater than or equal to 1",
    ]
    assert errors(RESOURCE, scaling("Deployment", "apps/v1", minReplicas=None, maxReplicas=0)) == [
        "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
        "spec.maxReplicas: Required value",
    ]


def test_scaling_to_zero_needs_a_metric_that_does_not_come_from_the_pods() -> None:
    assert errors(RESOURCE, scaling("Deployment", "apps/v1", minReplicas=0)) == [
        "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas"
    ]


def test_a_containers_metric_names_a_resource_of_containers_and_a_container() -> None:
    assert errors(RESOURCE, scaling("Deployment", "apps/v1", metrics=[metric("cpu", "app")])) == []
    found = errors(RESOURCE, scaling("Deployment", "apps/v1", metrics=[metric("pods", "a_b")]))
    assert found[0] == (
        'spec.metrics[0].containerResource.name: Invalid value: "pods": must be a standard resource for containers'
    )
    assert found[1].startswith(
        'spec.metrics[0].containerResource.container: Invalid value: "a_b": a lowercase RFC 1123'
    )


def test_an_empty_list_of_policies_is_no_wish_for_the_defaults() -> None:
    none = scaling("Deployment", "apps/v1", behavior={"scaleUp": {}})
    assert (errors(RESOURCE, none), len(none["spec"]["behavior"]["scaleUp"]["policies"])) == ([], 2)
    empty = scaling("Deployment", "apps/v1", behavior={"scaleUp": {"policies": []}})
    wanted = "Required value: must specify at least one Policy"
    assert errors(RESOURCE, empty) == [f"spec.behavior.scaleUp.policies: {wanted}"]


def in_v2(**carried: str) -> Object:
    annotations = {f"autoscaling.alpha.kubernetes.io/{key.replace('_', '-')}": text for key, text in carried.items()}
    meta = {"name": "h", "annotations": annotations}
    v2: Object = convert({"apiVersion": "autoscaling/v1", "metadata": meta, "spec": {}, "status": {}}, "autoscaling/v2")
    return v2


def test_what_annotations_carry_is_read_as_go_reads_it() -> None:
    pods = '[{"type":"Pods","pods":{"metricName":"m","targetAverageValue":5}}]'
    assert in_v2(metrics=pods)["spec"]["metrics"][0]["pods"]["target"]["averageValue"] == "5"
    empty = {"type": "", "status": "", "lastTransitionTime": None}
    assert in_v2(conditions="[{}]")["status"]["conditions"] == [empty]


@pytest.mark.parametrize("metrics", ['[{"type":5}]', '[{"type":"Pods","pods":5}]', "[5]", "{}", "x"])
def test_annotations_that_go_cannot_read_are_passed_over(metrics: str) -> None:
    (metric,) = in_v2(metrics=metrics)["spec"]["metrics"]
    assert metric["resource"]["name"] == "cpu"
    assert "conditions" not in in_v2(conditions='[{"lastTransitionTime":"bad"}]')["status"]
    assert "behavior" not in in_v2(behavior='{"ScaleUp":{"StabilizationWindowSeconds":"x"}}')["spec"]


def test_references_and_selectors_stand_in_gos_order_in_annotations() -> None:
    reference = {"apiVersion": "v1", "kind": "Service", "name": "s"}
    selector = {"matchExpressions": [{"values": ["v"], "operator": "In", "key": "k"}]}
    source = {"describedObject": reference, "metric": {"name": "m", "selector": selector}, "target": {"value": "5"}}
    obj = scaling("Deployment", "apps/v1", metrics=[{"type": "Object", "object": source}])
    text = convert(obj, "autoscaling/v1")["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"]
    assert '"target":{"kind":"Service","name":"s","apiVersion":"v1"}' in text
    assert '"selector":{"matchExpressions":[{"key":"k","operator":"In","values":["v"]}]}' in text


def test_a_status_with_several_sources_keeps_them_all() -> None:
    usage = {"type": "Pods", "pods": {"metric": {"name": "m"}, "current": {"averageValue": "1"}}, "object": {}}
    obj = scaling("Deployment", "apps/v1")
    obj["status"]["currentMetrics"] = [usage]
    v1 = convert(obj, "autoscaling/v1")
    text = v1["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/current-metrics"]
    assert text == (
        '[{"type":"Pods","object":{"target":{"kind":"","name":""},"metricName":"","currentValue":"0"},'
        '"pods":{"metricName":"m","currentAverageValue":"1"}}]'
    )


def test_what_an_apply_left_without_metadata_converts() -> None:
    spec = {"maxReplicas": 2, "metrics": [], "behavior": {"scaleUp": {"stabilizationWindowSeconds": 5}}}
    v1 = convert({"apiVersion": "autoscaling/v2", "spec": spec}, "autoscaling/v1")
    assert "StabilizationWindowSeconds" in v1["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/behavior"]
    assert "metadata" not in convert({"apiVersion": "autoscaling/v1", "spec": {"maxReplicas": 2}}, "autoscaling/v2")
