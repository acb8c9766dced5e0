"""A node that falls silent is told Unknown, tainted, and its pods go; not when everything is silent."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable
from typing import Any

from apiserver.apimachinery.clock import run_virtual
from controllers.framework import pods as pod_facts
from controllers.framework.kinds import NODES, PODS
from controllers.loops.node_lifecycle.zones import FULL, NORMAL, PARTIAL, Limiter, Rates, Zones, state_of
from controllers.loops.tests.builders import make_node, make_pod, pod_world, renew, report, taints, the_node, told
from controllers.tests.worlds import LoopWorld

LOOPS = ("node-lifecycle-controller", "taint-eviction-controller")


async def _alive(w: LoopWorld, names: Iterable[str], seconds: float) -> None:
    """The kubelets of some nodes renew their leases every ten seconds."""
    for _ in range(int(seconds / 10)):
        for name in names:
            await renew(w, name)
        await asyncio.sleep(10)


async def _cluster(w: LoopWorld, count: int) -> list[str]:
    names = [f"n{i}" for i in range(count)]
    for name in names:
        await make_node(w, name, kubernetes_io__os="linux")
        await report(w, name)
        await renew(w, name)
    await w.settle(6)
    return names


def test_zones_are_judged_by_how_many_nodes_are_down() -> None:
    assert state_of(["True", "False"], 0.55) == NORMAL
    assert state_of(["False", None], 0.55) == FULL
    assert state_of(["True", "True", "Unknown", "Unknown", "Unknown"], 0.55) == PARTIAL
    assert Rates().of(PARTIAL, 50) == 0 and Rates().of(PARTIAL, 51) == 0.01 and Rates().of(FULL, 5) == 0.1


def test_evictions_stop_when_every_zone_is_down_and_go_on_after() -> None:
    zones = Zones(Rates())
    zones.judge({"a": ["True"], "b": ["True"]}, 0)
    zones.judge({"a": ["Unknown"], "b": ["True"]}, 10)
    assert zones.zones["a"].limiter.rate == 0.1
    assert zones.judge({"a": ["Unknown"], "b": ["Unknown"]}, 20).entered
    assert [zone.limiter.rate for zone in zones.zones.values()] == [0, 0]
    assert zones.judge({"a": ["True"], "b": ["Unknown"]}, 30).left
    assert [zone.limiter.rate for zone in zones.zones.values()] == [0.1, 0.1]


def test_a_limiter_lets_one_through_every_ten_seconds() -> None:
    limiter = Limiter(0.1)
    assert [limiter.try_take(now) for now in (0, 5, 10, 11, 20)] == [True, False, True, False, True]


def test_a_silent_node_becomes_unknown_after_50_seconds_and_its_pods_go_after_300() -> None:
    async def main() -> None:
        async with pod_world(*LOOPS) as w:
            names = await _cluster(w, 3)
            await make_pod(w, "a", "10.1.0.1", app="web", node="n0")
            assert any("Registered Node n0 in Controller" in text for text in await told(w, "RegisteredNode"))
            await _alive(w, names[1:], 40)
            node = await the_node(w, "n0")
            assert taints(node) == []
            assert node["metadata"]["labels"]["beta.kubernetes.io/os"] == "linux"

            await _alive(w, names[1:], 30)
            node = await the_node(w, "n0")
            ready = pod_facts.condition(node, "Ready")
            assert ready is not None
            assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")
            assert ready["message"] == "Kubelet stopped posting node status."
            pressure = pod_facts.condition(node, "MemoryPressure")
            assert pressure is not None and pressure["reason"] == "NodeStatusNeverUpdated"
            assert taints(node) == [("unreachable", "NoExecute"), ("unreachable", "NoSchedule")]
            assert sorted(await told(w, "NodeNotReady")) == ["Node is not ready", "Node n0 status is now: NodeNotReady"]
            pod = await w.find(PODS, "a")
            assert pod is not None and not pod_facts.is_ready(pod)
            assert taints(await the_node(w, "n1")) == []

            await _alive(w, names[1:], 270)
            pod = await w.find(PODS, "a")
            assert pod is not None and not pod["metadata"].get("deletionTimestamp")
            await _alive(w, names[1:], 40)
            pod = await w.find(PODS, "a")
            assert pod is not None and pod["metadata"].get("deletionTimestamp")
            target = pod_facts.condition(pod, "DisruptionTarget")
            assert target is not None and target["reason"] == "DeletionByTaintManager"
            assert await told(w, "TaintManagerEviction") == ["Marking for deletion Pod default/a"]

    run_virtual(main())


def test_a_node_that_comes_back_loses_its_taints_and_keeps_its_pods() -> None:
    async def main() -> None:
        async with pod_world(*LOOPS) as w:
            names = await _cluster(w, 3)
            await make_pod(w, "a", "10.1.0.1", app="web", node="n0")
            await _alive(w, names[1:], 100)
            assert ("unreachable", "NoExecute") in taints(await the_node(w, "n0"))
            await renew(w, "n0")
            await report(w, "n0")
            await _alive(w, names, 20)
            assert taints(await the_node(w, "n0")) == []
            assert await told(w, "TaintManagerEviction") == ["Cancelling deletion of Pod default/a"]
            await _alive(w, names, 400)
            pod = await w.find(PODS, "a")
            assert pod is not None and not pod["metadata"].get("deletionTimestamp")

    run_virtual(main())


def test_when_all_nodes_are_silent_no_pod_is_evicted() -> None:
    async def main() -> None:
        async with pod_world(*LOOPS) as w:
            await _cluster(w, 2)
            await make_pod(w, "a", "10.1.0.1", app="web", node="n0")
            await w.settle(700)
            assert taints(await the_node(w, "n0")) == [("unreachable", "NoSchedule")]
            pod = await w.find(PODS, "a")
            assert pod is not None and not pod["metadata"].get("deletionTimestamp")

    run_virtual(main())


def test_nodes_of_a_zone_are_tainted_one_in_ten_seconds() -> None:
    async def main() -> None:
        async with pod_world(*LOOPS) as w:
            names = await _cluster(w, 8)
            await _alive(w, names[2:], 60)

            async def tainted() -> int:
                nodes = [await the_node(w, name) for name in names]
                return sum(("unreachable", "NoExecute") in taints(node) for node in nodes)

            counts: list[int] = []
            for _ in range(6):
                counts.append(await tainted())
                await _alive(w, names[2:], 10)
            assert counts[-1] == 2
            assert all(after - before <= 1 for before, after in itertools.pairwise(counts))

    run_virtual(main())


def test_conditions_and_cordoning_are_noschedule_taints() -> None:
    async def main() -> None:
        async with pod_world("node-lifecycle-controller") as w:
            await make_node(w, "n1")
            await report(w, "n1", "False")
            await w.resource(NODES).patch("n1", "", {"spec": {"unschedulable": True}})
            await w.settle()
            assert [t for t in taints(await the_node(w, "n1")) if t[1] == "NoSchedule"] == [
                ("not-ready", "NoSchedule"),
                ("unschedulable", "NoSchedule"),
            ]
            await report(w, "n1")
            cordoned: dict[str, Any] = {"spec": {"unschedulable": None}}
            await w.resource(NODES).patch("n1", "", cordoned)
            await w.settle(10)
            assert taints(await the_node(w, "n1")) == []

    run_virtual(main())
