"""Important pods displace lesser ones: as few as possible, sparing disruption budgets, with upstream's words."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersionResource
from controllers.framework import kinds
from controllers.framework.pods import condition
from controllers.scheduler.tests.worlds import SchedulerWorld, scheduler_world

PRIORITY_CLASSES = GroupVersionResource("scheduling.k8s.io", "v1", "priorityclasses")


async def priorities(w: SchedulerWorld, **values: Any) -> None:
    for name, value in values.items():
        policy = "Never" if name == "polite" else "PreemptLowerPriority"
        body = {"metadata": {"name": name}, "value": value, "preemptionPolicy": policy}
        await w.resource(PRIORITY_CLASSES).create(body)


async def gone(w: SchedulerWorld, name: str) -> bool:
    """Deleted or on its way out."""
    found = await w.find(kinds.PODS, name)
    return found is None or bool(found["metadata"].get("deletionTimestamp"))


def test_a_lesser_pod_makes_room() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await priorities(w, low=10, high=1000)
            await w.node("node-1", cpu="1")
            low = await w.pod("low", cpu="800m", priorityClassName="low")
            await w.settle(1)
            high = await w.pod("high", cpu="800m", priorityClassName="high")
            await w.settle(1)
            victim = await w.find(kinds.PODS, "low")
            assert victim is not None and victim["metadata"]["deletionTimestamp"]
            target = condition(victim, "DisruptionTarget")
            assert target is not None and target["reason"] == "PreemptionByScheduler"
            assert target["message"] == "default-scheduler: preempting to accommodate a higher priority pod"
            assert await w.messages("low", "Preempted") == [
                f"Preempted by pod {high['metadata']['uid']} on node node-1"
            ]
            [said] = await w.messages("high", "FailedScheduling")
            assert said == (
                "0/1 nodes are available: 1 Insufficient cpu. preemption: found a potential placement for pod on "
                "node node-1, preempting 1 victims"
            )
            waiting = await w.resource(kinds.PODS).get("high", "default")
            assert waiting["status"]["nominatedNodeName"] == "node-1"
            await w.resource(kinds.PODS).delete("low", "default", grace_period=0, uid=low["metadata"]["uid"])
            await w.settle(2)
            assert await w.node_of("high") == "node-1"

    run_virtual(main())


def test_only_as_many_as_needed_and_the_least_important() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await priorities(w, low=10, middle=20, high=1000)
            await w.node("node-1", cpu="1")
            for name, of in (("a", "middle"), ("b", "low"), ("c", "middle")):
                await w.pod(name, cpu="300m", priorityClassName=of)
                await w.settle(1)
            await w.pod("high", cpu="300m", priorityClassName="high")
            await w.settle(1)
            assert [await gone(w, name) for name in ("a", "b", "c")] == [False, True, False]

    run_virtual(main())


def test_the_node_with_the_least_important_victims_is_chosen() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await priorities(w, low=10, middle=20, high=1000)
            for node, of in (("node-1", "middle"), ("node-2", "low"), ("node-3", "middle")):
                await w.node(node, cpu="1")
                selector = {"kubernetes.io/hostname": node}
                await w.pod(f"on-{node}", cpu="900m", priorityClassName=of, nodeSelector=selector)
            await w.settle(1)
            await w.pod("high", cpu="500m", priorityClassName="high")
            await w.settle(1)
            assert [await gone(w, f"on-node-{i}") for i in (1, 2, 3)] == [False, True, False]

    run_virtual(main())


def test_budgets_are_spared_where_another_node_does() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await priorities(w, low=10, high=1000)
            for node in ("node-1", "node-2"):
                await w.node(node, cpu="1")
                selector = {"kubernetes.io/hostname": node}
                labels = {"app": node}
                await w.pod(f"on-{node}", cpu="900m", priorityClassName="low", nodeSelector=selector, labels=labels)
            spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "node-1"}}}
            budget = {"metadata": {"name": "b"}, "spec": spec}
            await w.resource(kinds.POD_DISRUPTION_BUDGETS).create(budget, "default")
            await w.settle(1)
            await w.pod("high", cpu="500m", priorityClassName="high")
            await w.settle(1)
            assert [await gone(w, f"on-node-{i}") for i in (1, 2)] == [False, True]

    run_virtual(main())


def test_equal_priority_and_the_polite_displace_nobody() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await priorities(w, low=10, polite=1000)
            await w.node("node-1", cpu="1")
            await w.pod("first", cpu="800m", priorityClassName="low")
            await w.settle(1)
            await w.pod("equal", cpu="800m", priorityClassName="low")
            await w.pod("polite", cpu="800m", priorityClassName="polite")
            await w.settle(5)
            assert not await gone(w, "first")
            [said] = await w.messages("equal")
            assert said == (
                "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
                "1 No preemption victims found for incoming pod."
            )
            [said] = await w.messages("polite")
            assert said == (
                "0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never."
            )

    run_virtual(main())


def test_a_promised_node_is_not_given_to_others() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await priorities(w, low=10, high=1000)
            await w.node("node-1", cpu="1")
            await w.pod("victim", cpu="800m", priorityClassName="low")
            await w.settle(1)
            await w.pod("high", cpu="800m", priorityClassName="high")
            await w.settle(1)
            await w.pod("opportunist", cpu="800m", priorityClassName="low")
            await w.resource(kinds.PODS).delete("victim", "default", grace_period=0)
            await w.settle(30)
            assert await w.node_of("high") == "node-1" and await w.node_of("opportunist") == ""

    run_virtual(main())


def test_a_victim_that_is_gone_already_does_not_stop_a_preemption() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await priorities(w, low=10, high=1000)
            await w.node("node-1", cpu="1")
            await w.pod("low", cpu="800m", priorityClassName="low")
            await w.settle(1)
            await w.pod("high", cpu="800m", priorityClassName="high")
            try:
                await w.resource(kinds.PODS).delete("low", "default", grace_period=0)
            except StatusError as error:
                assert error.code == 404
            await w.settle(15)
            assert await w.node_of("high") == "node-1"

    run_virtual(main())
