"""Endpoints are given to zones in proportion to their CPU, or to none."""

from __future__ import annotations

from collections import Counter
from typing import Any

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import MERGE_PATCH
from controllers.framework.kinds import ENDPOINT_SLICES, NODES, SERVICES
from controllers.loops.endpoints.topology import NO_NODES, allocate, moves, shares_of_cpu
from controllers.loops.tests.builders import make_node, make_pod, make_service, pod_world, report, told
from controllers.tests.worlds import LoopWorld

ANNOTATION = "service.kubernetes.io/topology-mode"


def _node(zone: str, cpu: str) -> Object:
    status = {"allocatable": {"cpu": cpu}, "conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {"labels": {"topology.kubernetes.io/zone": zone}}, "status": status}


async def _zone(w: LoopWorld, name: str, zone: str, cpu: str) -> None:
    await make_node(w, name, topology_kubernetes_io__zone=zone)
    status = {"status": {"allocatable": {"cpu": cpu}, "capacity": {"cpu": cpu}}}
    await w.resource(NODES).patch(name, "", status, type=MERGE_PATCH, subresource="status")
    await report(w, name)


async def _hints(w: LoopWorld) -> Counter[str]:
    found = [e for s in await w.all(ENDPOINT_SLICES, labels="kubernetes.io/service-name=web") for e in s["endpoints"]]
    zones: Counter[str] = Counter()
    for endpoint in found:
        zones.update(zone["name"] for zone in (endpoint.get("hints") or {}).get("forZones") or [{"name": "-"}])
    return zones


def test_shares_follow_the_cpu_of_zones_that_all_tell() -> None:
    assert shares_of_cpu([_node("a", "3"), _node("b", "500m"), _node("b", "500m")]) == {"a": 0.75, "b": 0.25}
    assert shares_of_cpu([_node("a", "3"), _node("b", "0")]) == {}
    assert shares_of_cpu([_node("a", "3")]) == {}


def test_shares_cannot_be_given_out_when_there_is_too_little() -> None:
    even = {"a": 0.5, "b": 0.5}
    assert allocate({}, 9) == NO_NODES
    assert allocate(even, 1) == "Insufficient number of endpoints (1 endpoints, 2 zones)"
    too_small = allocate({"a": 0.45, "b": 0.45, "c": 0.1}, 3)
    assert isinstance(too_small, str) and too_small.startswith("Unable to allocate minimum required endpoints")
    shares = allocate(even, 6)
    assert not isinstance(shares, str)
    assert [share.desired for share in shares.values()] == [3, 3]


def test_zones_with_too_many_give_to_those_with_too_few() -> None:
    shares: Any = allocate({"a": 0.5, "b": 0.5}, 6)
    giving, receiving = moves(shares, Counter(a=6))
    assert (giving, receiving) == (Counter(a=3), Counter(b=3))


def test_the_annotation_spreads_endpoints_and_an_event_says_so() -> None:
    async def main() -> None:
        async with pod_world("endpointslice-controller") as w:
            await _zone(w, "n1", "z1", "2")
            await _zone(w, "n2", "z2", "2")
            for i in range(6):
                await make_pod(w, f"p{i}", f"10.1.0.{i + 1}", app="web", node="n1")
            await make_service(w, "web")
            await w.settle()
            assert await _hints(w) == Counter({"-": 6})
            auto = {"metadata": {"annotations": {ANNOTATION: "Auto"}}}
            await w.resource(SERVICES).patch("web", "default", auto, type=MERGE_PATCH)
            await w.settle()
            assert await _hints(w) == Counter(z1=3, z2=3)
            enabled = "Topology Aware Hints has been enabled, addressType: IPv4"
            assert await told(w, "TopologyAwareHintsEnabled") == [enabled]
            await w.resource(NODES).delete("n2")
            await w.settle()
            assert await _hints(w) == Counter({"-": 6})
            assert await told(w, "TopologyAwareHintsDisabled") == [f"{NO_NODES}, addressType: IPv4"]

    run_virtual(main())


def test_hints_go_with_the_annotation() -> None:
    async def main() -> None:
        async with pod_world("endpointslice-controller") as w:
            await _zone(w, "n1", "z1", "2")
            await _zone(w, "n2", "z2", "2")
            for i in range(4):
                await make_pod(w, f"p{i}", f"10.1.0.{i + 1}", app="web", node=f"n{i % 2 + 1}")
            await make_service(w, "web")
            auto: dict[str, Any] = {"metadata": {"annotations": {ANNOTATION: "Auto"}}}
            await w.resource(SERVICES).patch("web", "default", auto, type=MERGE_PATCH)
            await w.settle()
            assert await _hints(w) == Counter(z1=2, z2=2)
            auto["metadata"]["annotations"][ANNOTATION] = None
            await w.resource(SERVICES).patch("web", "default", auto, type=MERGE_PATCH)
            await w.settle()
            assert await _hints(w) == Counter({"-": 4})
            message = "Topology Aware Hints has been disabled, addressType: IPv4"
            assert await told(w, "TopologyAwareHintsDisabled") == [message]

    run_virtual(main())
