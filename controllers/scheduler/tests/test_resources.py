"""What a pod requests: containers, init containers, sidecars, overhead, pod level, and while it is resized."""

from __future__ import annotations

from typing import Any

import pytest

from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.resources import is_extended, is_scalar, pod_requests
from controllers.scheduler.plugins.tests.made import pod


def container(name: str, cpu: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "resources": {"requests": {"cpu": cpu}}, **more}


def sidecar(name: str, cpu: str) -> dict[str, Any]:
    return container(name, cpu, restartPolicy="Always")


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({"containers": [container("a", "1"), container("b", "500m")]}, 1500),
        ({"containers": [container("a", "1")], "initContainers": [container("i", "2"), container("j", "3")]}, 3000),
        ({"containers": [container("a", "1")], "initContainers": [sidecar("s", "1"), container("i", "2")]}, 3000),
        ({"containers": [container("a", "2")], "initContainers": [container("i", "2"), sidecar("s", "1")]}, 3000),
        ({"containers": [container("a", "1")], "initContainers": [sidecar("s", "1"), sidecar("t", "2")]}, 4000),
        ({"containers": [container("a", "1")], "overhead": {"cpu": "250m"}}, 1250),
        ({"containers": [container("a", "1")], "resources": {"requests": {"cpu": "3"}}}, 3000),
    ],
)
def test_requests_add_up_as_containers_run(spec: dict[str, Any], cpu: int) -> None:
    assert pod_requests(pod(**spec)) == {"cpu": cpu}


@pytest.mark.parametrize(
    ("status", "conditions", "cpu"),
    [
        ({"allocatedResources": {"cpu": "1"}, "resources": {"requests": {"cpu": "1"}}}, [], 2000),  # wanted more
        ({"allocatedResources": {"cpu": "3"}, "resources": {"requests": {"cpu": "3"}}}, [], 3000),  # not shrunk yet
        ({"allocatedResources": {"cpu": "1"}}, [{"type": "PodResizePending", "reason": "Infeasible"}], 1000),
        ({}, [], 2000),
    ],
)
def test_while_a_pod_is_resized_the_larger_counts(status: Any, conditions: Any, cpu: int) -> None:
    made = pod(containers=[container("c", "2")])
    made["status"] = {"containerStatuses": [{"name": "c", **status}], "conditions": conditions}
    assert pod_requests(made) == {"cpu": cpu}


def test_for_scores_a_container_that_asks_for_nothing_takes_something() -> None:
    info = PodInfo(pod(containers=[{"name": "a"}, container("b", "1")]))
    assert (info.requests.cpu, info.requests.memory) == (1000, 0)
    assert (info.non_zero_cpu, info.non_zero_memory) == (1100, 400 * 1024 * 1024)


@pytest.mark.parametrize(
    ("name", "scalar", "extended"),
    [
        ("cpu", False, False),
        ("storage", False, False),
        ("example.com/gpu", True, True),
        ("requests.example.com/gpu", False, False),
        ("hugepages-2Mi", True, False),
        ("attachable-volumes-aws", True, False),
        ("kubernetes.io/something", True, False),
    ],
)
def test_kinds_of_resources(name: str, scalar: bool, extended: bool) -> None:
    assert (is_scalar(name), is_extended(name)) == (scalar, extended)
