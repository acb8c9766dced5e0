"""What objects use of a quota."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.quota import scopes
from apiserver.apimachinery.quota.amounts import increase, parsed, texts
from apiserver.apimachinery.quota.evaluators import CLAIMS, DEVICE_CLAIMS, PODS, SERVICES, evaluator_for
from apiserver.apimachinery.quota.pod_resources import pod_requests
from apiserver.apimachinery.quota.usage import interests, namespace_usage

NOW = 1000.0


def pod(*requests: dict[str, str], **more: Any) -> dict[str, Any]:
    containers = [{"name": f"c{i}", "resources": {"requests": given}} for i, given in enumerate(requests)]
    return {"metadata": {}, "spec": {"containers": containers, **more.pop("spec", {})}, **more}


def used(resource: GroupResource, obj: dict[str, Any]) -> dict[str, str]:
    evaluator = evaluator_for(resource)
    assert evaluator is not None
    return texts(evaluator.usage(obj, NOW))


def test_a_pod_uses_what_its_containers_ask_for() -> None:
    assert used(PODS, pod({"cpu": "500m", "memory": "1Gi"}, {"cpu": "1", "example.com/gpu": "2"})) == {
        "count/pods": "1",
        "cpu": "1500m",
        "memory": "1Gi",
        "pods": "1",
        "requests.cpu": "1500m",
        "requests.example.com/gpu": "2",
        "requests.memory": "1Gi",
    }


@pytest.mark.parametrize(
    "finished",
    [
        {"status": {"phase": "Succeeded"}},
        {"metadata": {"deletionTimestamp": "1970-01-01T00:15:00Z", "deletionGracePeriodSeconds": 30}},
    ],
)
def test_a_pod_that_is_done_counts_only_as_an_object(finished: dict[str, Any]) -> None:
    assert used(PODS, {**pod({"cpu": "1"}), **finished}) == {"count/pods": "1"}


def test_a_pod_in_its_grace_period_still_counts() -> None:
    meta = {"deletionTimestamp": "1970-01-01T00:16:39Z", "deletionGracePeriodSeconds": 30}
    assert used(PODS, {**pod({"cpu": "1"}), "metadata": meta})["pods"] == "1"


def test_init_containers_count_by_their_peak_beside_sidecars() -> None:
    first = {"name": "i0", "restartPolicy": "Always", "resources": {"requests": {"cpu": "1"}}}
    second = {"name": "i1", "resources": {"requests": {"cpu": "3"}}}
    asked = pod_requests(pod({"cpu": "2"}, spec={"initContainers": [first, second], "overhead": {"cpu": "100m"}}))
    assert texts(asked) == {"cpu": "4100m"}


def test_a_shrinking_pod_counts_what_it_still_has() -> None:
    status = {"containerStatuses": [{"name": "c0", "allocatedResources": {"cpu": "2"}}]}
    assert texts(pod_requests(pod({"cpu": "1"}, status=status))) == {"cpu": "2"}


def test_services_count_their_ports_on_nodes() -> None:
    ports = [{"port": 80, "nodePort": 30080}, {"port": 81}]
    balancer: dict[str, Any] = {"metadata": {}, "spec": {"type": "LoadBalancer", "ports": ports}}
    assert used(SERVICES, balancer)["services.nodeports"] == "2"
    balancer["spec"]["allocateLoadBalancerNodePorts"] = False
    assert used(SERVICES, balancer)["services.nodeports"] == "1"
    assert used(SERVICES, balancer)["services.loadbalancers"] == "1"


def test_claims_count_altogether_and_by_class() -> None:
    spec = {"storageClassName": "gold", "resources": {"requests": {"storage": "1Gi"}}}
    status = {"allocatedResources": {"storage": "2Gi"}}
    assert used(CLAIMS, {"metadata": {}, "spec": spec, "status": status}) == {
        "count/persistentvolumeclaims": "1",
        "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
        "gold.storageclass.storage.k8s.io/requests.storage": "2Gi",
        "persistentvolumeclaims": "1",
        "requests.storage": "2Gi",
    }


@pytest.mark.parametrize(
    ("requirement", "matches"),
    [
        ({"scopeName": "BestEffort", "operator": "Exists"}, False),
        ({"scopeName": "NotTerminating", "operator": "Exists"}, True),
        ({"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}, True),
        ({"scopeName": "PriorityClass", "operator": "NotIn", "values": ["high"]}, False),
        ({"scopeName": "PriorityClass", "operator": "DoesNotExist"}, False),
        ({"scopeName": "CrossNamespacePodAffinity", "operator": "Exists"}, False),
    ],
)
def test_scopes_select_pods(requirement: dict[str, Any], matches: bool) -> None:
    assert scopes.pod_matches(requirement, pod({"cpu": "1"}, spec={"priorityClassName": "high"})) is matches


def test_a_namespace_uses_what_its_objects_in_scope_use() -> None:
    deployments = GroupResource("apps", "deployments")
    spec = {
        "hard": {"pods": "9", "requests.cpu": "9", "count/deployments.apps": "3", "nonsense": "1"},
        "scopes": ["NotTerminating"],
    }
    objects = {
        PODS: [pod({"cpu": "1"}), pod({"cpu": "2"}, spec={"activeDeadlineSeconds": 5})],
        deployments: [{"metadata": {}}],
    }
    found = namespace_usage(spec, objects, lambda resource: objects[resource], NOW)
    # Scopes are about pods and claims: whatever else a scoped quota names matches nothing.
    assert texts(found) == {"count/deployments.apps": "0", "pods": "1", "requests.cpu": "1"}
    assert interests(spec, deployments)
    assert not interests(spec, SERVICES)


def test_an_increase_is_never_negative() -> None:
    assert texts(increase(parsed({"cpu": "1"}), parsed({"cpu": "3", "memory": "1Gi"}))) == {"cpu": "0", "memory": "0"}


def test_events_and_reviews_are_not_counted() -> None:
    assert evaluator_for(GroupResource("", "events")) is None
    assert evaluator_for(GroupResource("authentication.k8s.io", "tokenreviews")) is None


def test_a_claim_of_devices_uses_the_most_that_it_may_get_of_each_class() -> None:
    exactly = {"deviceClassName": "gold", "allocationMode": "ExactCount", "count": 2}
    alternatives = [
        {"deviceClassName": "gold", "allocationMode": "ExactCount", "count": 1},
        {"deviceClassName": "gold", "allocationMode": "ExactCount", "count": 3},
        {"deviceClassName": "silver", "allocationMode": "All"},
        {"deviceClassName": "lead", "allocationMode": "SomeLaterMode"},
    ]
    claim = {"spec": {"devices": {"requests": [{"exactly": exactly}, {"firstAvailable": alternatives}]}}}
    assert used(DEVICE_CLAIMS, claim) == {
        "count/resourceclaims.resource.k8s.io": "1",
        "gold.deviceclass.resource.k8s.io/devices": "5",
        "silver.deviceclass.resource.k8s.io/devices": "32",
    }
    assert interests({"hard": {"gold.deviceclass.resource.k8s.io/devices": "1"}}, DEVICE_CLAIMS)
