"""Plugins that complete or judge pods, nodes and services; as a real kube-apiserver v1.37 does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apiserver.admission.interface import UPDATE, AdmissionPlugin
from apiserver.admission.plugins.alwayspullimages import AlwaysPullImages
from apiserver.admission.plugins.antiaffinity import LimitPodHardAntiAffinityTopology
from apiserver.admission.plugins.defaulttolerationseconds import DefaultTolerationSeconds
from apiserver.admission.plugins.denyserviceexternalips import DenyServiceExternalIPs
from apiserver.admission.plugins.extendedresourcetoleration import ExtendedResourceToleration
from apiserver.admission.plugins.nodetaint import TaintNodesByCondition
from apiserver.admission.plugins.podresize import PodResizeValidator
from apiserver.admission.plugins.podtolerationrestriction import PodTolerationRestriction
from apiserver.admission.plugins.podtopologylabels import PodTopologyLabels
from apiserver.admission.plugins.priority import Priority
from apiserver.admission.tests.worlds import World, attributes, pod
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object

Kind = type[AdmissionPlugin]


async def admitted(world: World, kind: Kind, obj: Object, resource: str = "pods", **more: Any) -> Any:
    await world.plugin(kind).admit(attributes(resource, obj, **more))
    return obj.get("spec")


async def refused(world: World, kind: Kind, obj: Object, resource: str = "pods", **more: Any) -> StatusError:
    """What the plugin says no with, when it admits or when it validates."""
    plugin = world.plugin(kind)
    seen = attributes(resource, obj, **more)
    with pytest.raises(StatusError) as caught:
        await plugin.admit(seen)
        await plugin.validate(seen)
    return caught.value


@pytest.fixture
def world() -> World:
    world = World()
    world.add("priorityclasses", "critical", value=2000, preemptionPolicy="PreemptLowerPriority")
    world.add("priorityclasses", "polite", value=10, preemptionPolicy="Never")
    return world


# Priority


async def test_priority_comes_from_the_class(world: World) -> None:
    spec = await admitted(world, Priority, pod({"priorityClassName": "polite"}))
    assert (spec["priority"], spec["preemptionPolicy"], spec["priorityClassName"]) == (10, "Never", "polite")
    spec = await admitted(world, Priority, pod({"priorityClassName": "critical", "priority": 2000}))
    assert spec["priority"] == 2000


async def test_without_a_class_priority_is_nought_or_the_default_classes(world: World) -> None:
    spec = await admitted(world, Priority, pod())
    assert (spec["priority"], spec["preemptionPolicy"]) == (0, "PreemptLowerPriority")
    assert "priorityClassName" not in spec
    for name, value in (("d1", 7), ("d2", 5)):
        world.add("priorityclasses", name, value=value, globalDefault=True)
    spec = await admitted(world, Priority, pod())
    assert (spec["priority"], spec["priorityClassName"]) == (5, "d2")


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"priorityClassName": "nope"}, "no PriorityClass with name nope was found"),
        (
            {"priority": 5},
            "the integer value of priority (5) must not be provided in pod spec; "
            "priority admission controller computed 0 from the given PriorityClass name",
        ),
        (
            {"priorityClassName": "critical", "preemptionPolicy": "Never"},
            "the string value of PreemptionPolicy (Never) must not be provided in pod spec; "
            "priority admission controller computed PreemptLowerPriority from the given PriorityClass name",
        ),
    ],
)
async def test_priority_is_not_the_authors_to_set(world: World, spec: dict[str, Any], text: str) -> None:
    assert (await refused(world, Priority, pod(spec))).message == f'pods "x" is forbidden: {text}'


async def test_an_update_that_leaves_priority_out_keeps_it(world: World) -> None:
    old = pod({"priority": 7, "preemptionPolicy": "Never"})
    spec = await admitted(world, Priority, pod(), operation=UPDATE, old=old)
    assert (spec["priority"], spec["preemptionPolicy"]) == (7, "Never")


async def test_there_is_one_default_class(world: World) -> None:
    world.add("priorityclasses", "d1", value=5, globalDefault=True)
    second = {"metadata": {"name": "d2"}, "globalDefault": True}
    error = await refused(world, Priority, second, "priorityclasses")
    assert error.message == (
        'priorityclasses.scheduling.k8s.io "d2" is forbidden: '
        "PriorityClass d1 is already marked as default. Only one default can exist"
    )
    again = attributes("priorityclasses", {"metadata": {"name": "d1"}, "globalDefault": True}, operation=UPDATE)
    await world.plugin(Priority).validate(again)


# Tolerations and taints


def tolerations(spec: Any) -> list[tuple[Any, ...]]:
    return [(t.get("key"), t.get("effect"), t.get("tolerationSeconds")) for t in spec.get("tolerations") or ()]


NOT_READY = ("node.kubernetes.io/not-ready", "NoExecute", 300)
UNREACHABLE = ("node.kubernetes.io/unreachable", "NoExecute", 300)


@pytest.mark.parametrize(
    ("given", "result"),
    [
        ([], [NOT_READY, UNREACHABLE]),
        ([{"operator": "Exists"}], [(None, None, None)]),
        (
            [{"key": "node.kubernetes.io/not-ready", "effect": "NoExecute", "tolerationSeconds": 5}],
            [("node.kubernetes.io/not-ready", "NoExecute", 5), UNREACHABLE],
        ),
        (
            [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}],
            [("node.kubernetes.io/not-ready", "NoSchedule", None), NOT_READY, UNREACHABLE],
        ),
    ],
)
async def test_default_toleration_seconds(world: World, given: list[Any], result: list[Any]) -> None:
    spec = await admitted(world, DefaultTolerationSeconds, pod({"tolerations": given}))
    assert tolerations(spec) == result


async def test_toleration_seconds_are_an_option(world: World) -> None:
    world.options = {"default_not_ready_toleration_seconds": 5, "default_unreachable_toleration_seconds": 6}
    spec = await admitted(world, DefaultTolerationSeconds, pod())
    assert [seconds for _, _, seconds in tolerations(spec)] == [5, 6]
    untouched = pod()
    await world.plugin(DefaultTolerationSeconds).admit(attributes("pods", untouched, subresource="status"))
    assert untouched == pod()


async def test_a_new_node_is_tainted_once(world: World) -> None:
    taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    node: Object = {"metadata": {"name": "n"}}
    for _ in range(2):
        assert await admitted(world, TaintNodesByCondition, node, "nodes") == {"taints": [taint]}


async def test_a_namespace_gives_and_limits_tolerations(world: World) -> None:
    annotations = {
        "scheduler.alpha.kubernetes.io/defaultTolerations": json.dumps([{"key": "a", "operator": "Exists"}]),
        "scheduler.alpha.kubernetes.io/tolerationsWhitelist": json.dumps(
            [{"key": "a", "operator": "Exists"}, {"key": "node.kubernetes.io/memory-pressure", "operator": "Exists"}]
        ),
    }
    world.add("namespaces", "default", metadata={"annotations": annotations})
    spec = await admitted(world, PodTolerationRestriction, pod())
    assert tolerations(spec) == [("a", None, None)]
    burstable = pod({}, {"resources": {"requests": {"cpu": "1"}}})
    spec = await admitted(world, PodTolerationRestriction, burstable)
    assert tolerations(spec)[1] == ("node.kubernetes.io/memory-pressure", "NoSchedule", None)
    error = await refused(world, PodTolerationRestriction, pod({"tolerations": [{"key": "b", "operator": "Exists"}]}))
    assert (error.code, error.message) == (
        500,
        "pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist",
    )


async def test_tolerations_that_another_covers_are_left_out(world: World) -> None:
    wide = {"key": "a", "operator": "Exists"}
    defaults = json.dumps([wide, {"key": "a", "operator": "Equal", "value": "v", "effect": "NoExecute"}])
    annotation = {"scheduler.alpha.kubernetes.io/defaultTolerations": defaults}
    world.add("namespaces", "default", metadata={"annotations": annotation})
    spec = await admitted(world, PodTolerationRestriction, pod({"tolerations": [{**wide, "effect": "NoSchedule"}]}))
    assert spec["tolerations"] == [wide]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "invalid character 'x' looking for beginning of value"),
        ("{}", "json: cannot unmarshal object into Go value of type []v1.Toleration"),
        ('[{"key":1}]', "json: cannot unmarshal number into Go struct field Toleration.key of type string"),
        ('[{"key":"a"}', "unexpected end of JSON input"),
    ],
)
async def test_tolerations_of_a_namespace_are_read_as_go_reads_them(world: World, text: str, message: str) -> None:
    annotation = {"scheduler.alpha.kubernetes.io/defaultTolerations": text}
    world.add("namespaces", "default", metadata={"annotations": annotation})
    error = await refused(world, PodTolerationRestriction, pod())
    assert (error.code, error.message) == (500, message)


async def test_null_is_no_tolerations(world: World) -> None:
    annotation = {"scheduler.alpha.kubernetes.io/defaultTolerations": "null"}
    world.add("namespaces", "default", metadata={"annotations": annotation})
    assert not (await admitted(world, PodTolerationRestriction, pod())).get("tolerations")


async def test_extended_resources_are_tolerated(world: World) -> None:
    requests = {"cpu": "1", "x.com/gpu": "1", "kubernetes.io/thing": "1", "plain": "1"}
    spec = await admitted(world, ExtendedResourceToleration, pod({}, {"resources": {"requests": requests}}))
    assert spec["tolerations"] == [{"key": "x.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]


# The rest


async def test_zone_and_region_of_the_node_go_to_the_pod_and_its_binding(world: World) -> None:
    zone = {"topology.kubernetes.io/zone": "z", "topology.kubernetes.io/region": "r"}
    world.add("nodes", "n", metadata={"labels": {**zone, "other": "x"}})
    bound = pod({"nodeName": "n"}, labels={"a": "b", "topology.kubernetes.io/zone": "old"})
    await admitted(world, PodTopologyLabels, bound)
    assert bound["metadata"]["labels"] == {"a": "b", **zone}
    binding: Object = {"metadata": {"name": "x"}, "target": {"kind": "Node", "name": "n"}}
    await admitted(world, PodTopologyLabels, binding, subresource="binding")
    assert binding["metadata"]["labels"] == zone
    for unbound in (pod(), pod({"nodeName": "gone"})):
        await admitted(world, PodTopologyLabels, unbound)
        assert "labels" not in unbound["metadata"]


async def test_a_resize_has_to_fit_its_node(world: World) -> None:
    world.add("nodes", "n", status={"allocatable": {"cpu": "2", "memory": "1Gi"}})
    world.add("nodes", "w", metadata={"labels": {"kubernetes.io/os": "windows"}})
    big = {"resources": {"requests": {"cpu": "3", "memory": "2Gi"}}}

    def resized(node: str, container: dict[str, Any]) -> dict[str, Any]:
        old = pod({"nodeName": node}, generation=1)
        return {
            "obj": pod({"nodeName": node}, container, generation=2),
            "operation": UPDATE,
            "old": old,
            "subresource": "resize",
        }

    await world.plugin(PodResizeValidator).validate(attributes("pods", **resized("n", {})))
    error = await refused(world, PodResizeValidator, **resized("n", big))
    assert error.message == (
        'pods "x" is forbidden: node didn\'t have enough allocatable resources: '
        "cpu, requested: 3000, allocatable: 2000; memory, requested: 2147483648, allocatable: 1073741824"
    )
    assert error.details == {"name": "x", "kind": "pods", "causes": [{"reason": "NodeCapacity"}]}
    error = await refused(world, PodResizeValidator, **resized("w", {}))
    assert error.message.endswith('pod resize is only supported on linux nodes, node "w" is "windows"')
    error = await refused(world, PodResizeValidator, **resized("gone", {}))
    assert error.message == 'pods "x" is forbidden: node "gone" not found'


async def test_images_are_always_pulled(world: World) -> None:
    obj = pod({"volumes": [{"name": "v", "image": {"reference": "i"}}], "initContainers": [{"name": "q"}]})
    spec = await admitted(world, AlwaysPullImages, obj)
    policies = [spec["containers"][0]["imagePullPolicy"], spec["initContainers"][0]["imagePullPolicy"]]
    assert [*policies, spec["volumes"][0]["image"]["pullPolicy"]] == ["Always"] * 3
    spec["containers"][0]["imagePullPolicy"] = "Never"
    with pytest.raises(StatusError) as caught:
        await world.plugin(AlwaysPullImages).validate(attributes("pods", obj))
    assert caught.value.message == (
        'pods "x" is forbidden: spec.containers[0].imagePullPolicy: Unsupported value: "Never": supported values: "Always"'
    )
    same = attributes("pods", obj, operation=UPDATE, old=obj)
    await world.plugin(AlwaysPullImages).validate(same)


async def test_hard_anti_affinity_is_by_host_only(world: World) -> None:
    def apart(key: str) -> Object:
        terms = [{"topologyKey": key}]
        return pod({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}})

    await world.plugin(LimitPodHardAntiAffinityTopology).validate(attributes("pods", apart("kubernetes.io/hostname")))
    error = await refused(world, LimitPodHardAntiAffinityTopology, apart("zone"))
    assert error.message == (
        'pods "x" is forbidden: affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey zone '
        "but only key kubernetes.io/hostname is allowed"
    )


async def test_external_addresses_may_only_go(world: World) -> None:
    def service(*addresses: str) -> Object:
        return {"metadata": {"name": "s"}, "spec": {"externalIPs": list(addresses)}}

    error = await refused(world, DenyServiceExternalIPs, service("1.2.3.4"), "services")
    assert error.message == 'services "s" is forbidden: Use of external IPs is denied by admission control'
    kept = attributes("services", service("1.2.3.4"), operation=UPDATE, old=service("1.2.3.4", "1.2.3.5"))
    await world.plugin(DenyServiceExternalIPs).validate(kept)
