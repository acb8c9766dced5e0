"""LimitRanger; amounts and words as a real kube-apiserver v1.37 gives them."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.admission.interface import UPDATE
from apiserver.admission.plugins.limitranger import LimitRanger
from apiserver.admission.tests.worlds import World, attributes, pod
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object


@pytest.fixture
def world() -> World:
    world = World()
    limits = [
        {
            "type": "Container",
            "default": {"cpu": "500m", "memory": "1Gi"},
            "defaultRequest": {"cpu": "100m", "memory": "10Mi"},
            "max": {"cpu": "1", "memory": "1Gi"},
            "min": {"cpu": "50m"},
            "maxLimitRequestRatio": {"cpu": "5"},
        },
        {"type": "Pod", "max": {"cpu": "1500m"}},
        {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}},
    ]
    world.add("limitranges", "lr", "default", spec={"limits": limits})
    return world


def resources(limits: dict[str, str], requests: dict[str, str] | None = None) -> dict[str, Any]:
    return {"resources": {"limits": limits, **({"requests": requests} if requests else {})}}


async def problem(world: World, obj: Object, resource: str = "pods", **more: Any) -> str:
    plugin = world.plugin(LimitRanger)
    seen = attributes(resource, obj, **more)
    await plugin.admit(seen)
    try:
        await plugin.validate(seen)
    except StatusError as e:
        assert (e.code, e.reason) == (403, "Forbidden")
        return e.message.removeprefix('pods "x" is forbidden: ')
    return ""


async def test_containers_get_defaults_and_a_note_says_which(world: World) -> None:
    obj = pod({"initContainers": [{"name": "i"}]}, resources({"memory": "100Mi"}, {"memory": "100Mi"}))
    await problem(world, obj)
    assert obj["spec"]["containers"][0]["resources"] == {
        "limits": {"memory": "100Mi", "cpu": "500m"},
        "requests": {"memory": "100Mi", "cpu": "100m"},
    }
    assert obj["metadata"]["annotations"] == {
        "kubernetes.io/limit-ranger": "LimitRanger plugin set: cpu request for container c; cpu limit for container c; "
        "cpu, memory request for init container i; cpu, memory limit for init container i"
    }


async def test_without_limit_ranges_nothing_happens() -> None:
    obj = pod()
    assert await problem(World(), obj) == ""
    assert obj == pod()


@pytest.mark.parametrize(
    ("container", "text"),
    [
        (
            resources({"cpu": "2", "memory": "2Gi"}, {"cpu": "10m"}),
            "[minimum cpu usage per Container is 50m, but request is 10m, "
            "maximum cpu usage per Container is 1, but limit is 2, "
            "maximum memory usage per Container is 1Gi, but limit is 2Gi, "
            "cpu max limit to request ratio per Container is 5, but provided ratio is 200.000000, "
            "maximum cpu usage per Pod is 1500m, but limit is 2]",
        ),
        (
            resources({"cpu": "1", "memory": "1Gi"}, {"cpu": "100m"}),
            "cpu max limit to request ratio per Container is 5, but provided ratio is 10.000000",
        ),
        (
            resources({"cpu": "1", "memory": "1Gi"}, {"cpu": "0"}),
            "[minimum cpu usage per Container is 50m, but request is 0, "
            "cpu max limit to request ratio per Container is 5, but no request is specified or request is 0]",
        ),
        ({}, ""),
    ],
)
async def test_bounds_of_containers(world: World, container: dict[str, Any], text: str) -> None:
    assert await problem(world, pod({}, container)) == text


async def test_a_pod_counts_its_containers_sidecars_and_the_greatest_init_container(world: World) -> None:
    one = resources({"cpu": "1", "memory": "1Gi"}, {"cpu": "500m"})
    init: list[dict[str, Any]] = [{"name": "i", **one}, {"name": "s", "restartPolicy": "Always", **one}]
    assert await problem(world, pod({"initContainers": init[:1]}, one)) == ""
    message = await problem(world, pod({"initContainers": init}, one))
    assert message == "maximum cpu usage per Pod is 1500m, but limit is 2"


async def test_pod_level_resources_stand_for_the_sum(world: World) -> None:
    message = await problem(world, pod({"resources": {"limits": {"cpu": "2"}}}))
    assert message == "maximum cpu usage per Pod is 1500m, but limit is 2"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        ("500Mi", "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 500Mi"),
        ("3Gi", "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi"),
        ("1Gi", ""),
    ],
)
async def test_bounds_of_claims(world: World, size: str, text: str) -> None:
    claim = {"metadata": {"name": "c"}, "spec": {"resources": {"requests": {"storage": size}}}}
    message = await problem(world, claim, "persistentvolumeclaims")
    assert message.removeprefix('persistentvolumeclaims "c" is forbidden: ') == text


async def test_pods_are_limited_when_made_or_resized_unless_they_are_going(world: World) -> None:
    big = resources({"cpu": "2", "memory": "1Gi"}, {"cpu": "1"})
    obj, old = pod({}, big), pod({}, big)
    assert await problem(world, obj, operation=UPDATE, old=old) == ""
    assert await problem(world, obj, operation=UPDATE, old=old, subresource="status") == ""
    assert "maximum cpu" in await problem(world, obj, operation=UPDATE, old=old, subresource="resize")
    old["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert await problem(world, obj, operation=UPDATE, old=old, subresource="resize") == ""


async def test_other_bounds_are_worded_too(world: World) -> None:
    limits = [
        {"type": "Container", "min": {"memory": "1Gi", "cpu": "1"}, "max": {"x.com/y": "1"}},
        {"type": "Pod", "maxLimitRequestRatio": {"memory": "2"}},
    ]
    world.add("limitranges", "lr", "default", spec={"limits": limits})
    message = await problem(world, pod({}, resources({"cpu": "500m"}, {"cpu": "2", "memory": "1Gi"})))
    assert message == (
        "[minimum cpu usage per Container is 1, but limit is 500m, "
        "maximum x.com/y usage per Container is 1.  No limit is specified, "
        "memory max limit to request ratio per Pod is 2, but no limit is specified or limit is 0]"
    )
