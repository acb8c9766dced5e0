"""Deployments, ReplicaSets, StatefulSets, DaemonSets, ControllerRevisions: generations, what is refused, what is for good."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.api.apps import controllerrevision, daemonset, deployment, replicaset, statefulset
from apiserver.api.apps.tests.worlds import CTX, POD, created, errors, made, updated, workload
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import copy
from apiserver.registry.resource import Resource

DEPLOYMENT, REPLICA_SET = deployment.RESOURCE, replicaset.RESOURCE
STATEFUL_SET, DAEMON_SET, REVISION = statefulset.RESOURCE, daemonset.RESOURCE, controllerrevision.RESOURCE
ALL = pytest.mark.parametrize("resource", [DEPLOYMENT, REPLICA_SET, STATEFUL_SET, DAEMON_SET], ids=lambda r: r.kind)


@ALL
def test_a_plain_workload_is_valid_and_begins_without_status(resource: Resource) -> None:
    obj = created(resource, workload(resource) | {"status": {"replicas": 5}})
    assert errors(resource, obj) == []
    assert obj["metadata"]["generation"] == 1
    assert not any(obj["status"].values())


@ALL
def test_generation_follows_the_spec_and_status_stays(resource: Resource) -> None:
    old = created(resource, workload(resource))
    same, other = copy(old), copy(old)
    same["status"] = {"replicas": 9}
    assert updated(resource, same, old) == old
    other["spec"]["minReadySeconds"] = 5
    assert updated(resource, other, old)["metadata"]["generation"] == 2


@ALL
def test_a_selector_that_does_not_match_its_template_is_refused(resource: Resource) -> None:
    obj = workload(resource, selector={"matchLabels": {"c": "d"}})
    wrong = 'spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`'
    assert errors(resource, obj) == [wrong]


@ALL
def test_selectors_are_for_good(resource: Resource) -> None:
    old = workload(resource)
    obj = workload(resource, selector={"matchExpressions": [{"key": "a", "operator": "Exists"}]})
    shown = '{"matchExpressions":[{"key":"a","operator":"Exists"}]}'
    assert errors(resource, obj, old) == [f"spec.selector: Invalid value: {shown}: field is immutable"]


def test_annotations_count_for_deployments_only() -> None:
    for resource, generation in ((DEPLOYMENT, 2), (REPLICA_SET, 1)):
        old = created(resource, workload(resource))
        obj = copy(old)
        obj["metadata"]["annotations"] = {"x": "y"}
        assert updated(resource, obj, old)["metadata"]["generation"] == generation


@pytest.mark.parametrize(
    ("strategy", "found"),
    [
        ({"type": "Recreate"}, []),
        (
            {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}},
            ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
        ),
        (
            {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}},
            ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0'],
        ),
        (
            {"type": "Odd"},
            [
                'spec.strategy: Unsupported value: {"Type":"Odd","RollingUpdate":null}: supported values: "Recreate", '
                '"RollingUpdate"'
            ],
        ),
    ],
)
def test_rollout_strategies(strategy: dict[str, Any], found: list[str]) -> None:
    assert errors(DEPLOYMENT, workload(DEPLOYMENT, strategy=strategy)) == found


def test_a_deployment_has_to_make_progress_after_its_pods_are_available() -> None:
    obj = workload(DEPLOYMENT, minReadySeconds=600)
    message = "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"
    assert errors(DEPLOYMENT, obj) == [message]


def test_counts_of_a_status_fit_each_other() -> None:
    status = next(s for s in DEPLOYMENT.subresources if s.name == "status")
    assert status.strategy is not None
    old = created(DEPLOYMENT, workload(DEPLOYMENT)) | {"status": {"collisionCount": 2}}
    obj = copy(old) | {"status": {"replicas": 1, "readyReplicas": 1, "availableReplicas": 2, "collisionCount": 1}}
    assert [str(e) for e in status.strategy.validate_update(CTX, obj, old)] == [
        "status.availableReplicas: Invalid value: 2: cannot be greater than status.replicas",
        "status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas",
        "status.collisionCount: Invalid value: 1: cannot be decremented",
    ]


def test_counts_that_are_not_given_are_more_than_a_negative_total() -> None:
    status = next(s for s in REPLICA_SET.subresources if s.name == "status")
    assert status.strategy is not None
    old = created(REPLICA_SET, workload(REPLICA_SET))
    found = list(status.strategy.validate_update(CTX, copy(old) | {"status": {"replicas": -1}}, old))
    assert str(found[1]) == "status.fullyLabeledReplicas: Invalid value: 0: cannot be greater than status.replicas"
    assert len(found) == 4


def test_templates_of_a_daemonset_are_numbered_by_the_server() -> None:
    old = created(DAEMON_SET, workload(DAEMON_SET))
    assert old["metadata"]["annotations"] == {daemonset.TEMPLATE_GENERATION: "1"}
    obj = copy(old)
    obj["metadata"]["annotations"][daemonset.TEMPLATE_GENERATION] = "20"
    assert updated(DAEMON_SET, obj, old)["metadata"]["annotations"] == {daemonset.TEMPLATE_GENERATION: "1"}
    obj["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:2"
    assert updated(DAEMON_SET, obj, old)["metadata"]["annotations"] == {daemonset.TEMPLATE_GENERATION: "2"}


def test_a_daemonset_surges_or_does_without() -> None:
    for rolling, found in (
        (
            {"maxSurge": 1},
            [
                "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"
            ],
        ),
        (
            {"maxUnavailable": 0},
            ["spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"],
        ),
        ({"maxUnavailable": 0, "maxSurge": "10%"}, []),
    ):
        obj = workload(DAEMON_SET, updateStrategy={"rollingUpdate": rolling})
        assert errors(DAEMON_SET, obj) == found


def test_an_annotation_that_cannot_be_read_is_a_bad_request() -> None:
    for resource, annotation in ((DAEMON_SET, daemonset.TEMPLATE_GENERATION), (DEPLOYMENT, deployment.ROLLBACK)):
        obj = workload(resource)
        obj["metadata"]["annotations"] = {annotation: "x"}
        with pytest.raises(StatusError) as refused:
            resource.strategy.default(obj)
        assert refused.value.code == 400
        assert refused.value.message.endswith('strconv.ParseInt: parsing "x": invalid syntax')


def test_claims_and_names_of_a_statefulset_are_for_good() -> None:
    claim = {
        "metadata": {"name": "d"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    old = workload(STATEFUL_SET, serviceName="s", volumeClaimTemplates=[claim])
    obj = copy(old)
    obj["spec"]["serviceName"] = "other"
    obj["spec"]["volumeClaimTemplates"][0]["spec"]["accessModes"] = ["ReadWriteMany"]
    claims, name = errors(STATEFUL_SET, obj, old)
    assert claims.startswith(
        'spec.volumeClaimTemplates: Invalid value: [{"name":"d","Spec":{"AccessModes":["ReadWriteMany"]'
    )
    assert name == 'spec.serviceName: Invalid value: "other": field is immutable'


def test_volumes_of_a_statefulsets_claims_are_there_for_its_template() -> None:
    template = copy(POD)
    template["spec"]["containers"][0]["volumeMounts"] = [{"name": "d", "mountPath": "/d"}]
    claim = {
        "metadata": {"name": "d"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    mount = 'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "d"'
    assert errors(STATEFUL_SET, workload(STATEFUL_SET, template=template)) == [mount]
    assert errors(STATEFUL_SET, workload(STATEFUL_SET, template=template, volumeClaimTemplates=[claim])) == []


def test_data_of_a_revision_are_an_object_and_for_good() -> None:
    old = made(REVISION, {"data": {"a": 1}, "revision": 1})
    assert errors(REVISION, made(REVISION, {"data": {"a": 1}, "revision": 2}), old) == []
    assert errors(REVISION, made(REVISION, {"data": {"a": 2}, "revision": -1}), old) == [
        "revision: Invalid value: -1: must be greater than or equal to 0",
        'data: Invalid value: {"a":2}: field is immutable',
    ]
    assert errors(REVISION, made(REVISION, {"data": [1]})) == ["data: Required value: data must be a valid JSON object"]
    assert errors(REVISION, made(REVISION, {})) == ["data: Required value: data is mandatory"]


@pytest.mark.parametrize(
    ("resource", "strategy"), [(DEPLOYMENT, "strategy"), (DAEMON_SET, "updateStrategy")], ids=lambda r: str(r)
)
def test_an_empty_text_is_no_number_of_pods(resource: Resource, strategy: str) -> None:
    rolling = {strategy: {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": ""}}}
    found = errors(resource, workload(resource, **rolling))
    assert found[0].startswith(f'spec.{strategy}.rollingUpdate.maxSurge: Invalid value: "": a valid percent string')


def test_a_daemon_sets_status_does_not_touch_its_count_of_templates() -> None:
    old = created(DAEMON_SET, workload(DAEMON_SET))
    sent = workload(DAEMON_SET)
    status = DAEMON_SET.subresource("status")
    assert status is not None and status.strategy is not None
    status.strategy.prepare_for_update(CTX, sent, old)
    assert sent["metadata"]["annotations"] == {daemonset.TEMPLATE_GENERATION: "1"}


def test_a_claim_template_is_shown_with_its_fields_in_order() -> None:
    selector = {"matchExpressions": [{"values": ["v"], "operator": "In", "key": "k"}]}
    claim = {"metadata": {"name": "v"}, "spec": {"selector": selector}}
    found = errors(STATEFUL_SET, workload(STATEFUL_SET, volumeClaimTemplates=[claim]), workload(STATEFUL_SET))[0]
    assert '"Selector":{"matchExpressions":[{"key":"k","operator":"In","values":["v"]}]}' in found
