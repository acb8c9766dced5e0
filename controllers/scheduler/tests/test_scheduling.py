"""Pods get nodes that fit, with upstream's words; what does not fit waits until something changes."""

from __future__ import annotations

from apiserver.apimachinery.clock import run_virtual
from controllers.framework import kinds
from controllers.scheduler.tests.worlds import scheduler_world


def test_a_pod_is_bound_and_told_of() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.node("node-1")
            pod = await w.pod("web", cpu="100m")
            await w.settle(1)
            assert await w.node_of("web") == "node-1"
            [event] = await w.all(kinds.EVENTS)
            assert event["message"] == "Successfully assigned default/web to node-1"
            assert (event["reason"], event["type"], event["action"]) == ("Scheduled", "Normal", "Binding")
            assert event["reportingComponent"] == "default-scheduler"
            assert event["reportingInstance"] == "default-scheduler-test"
            assert event["involvedObject"]["uid"] == pod["metadata"]["uid"]
            assert (await w.scheduled_condition("web"))["status"] == "True"

    run_virtual(main())


def test_what_fits_nowhere_says_why_and_waits_for_a_node() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.node("small", cpu="1")
            await w.node("tainted", taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}])
            await w.node("cordoned", unschedulable=True)
            await w.pod("big", cpu="2")
            await w.settle(2)
            said = (
                "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), "
                "1 node(s) were unschedulable."
            )
            [message] = await w.messages("big")
            assert message.startswith(said)
            condition = await w.scheduled_condition("big")
            assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")
            assert condition["message"].startswith(said) and condition["observedGeneration"] == 1
            await w.node("large", cpu="8")
            await w.settle(1.1)
            assert await w.node_of("big") == "large"

    run_virtual(main())


def test_without_nodes_a_pod_says_so() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.pod("web")
            await w.settle(1)
            assert (await w.scheduled_condition("web"))["message"] == "no nodes available to schedule pods"
            await w.node("node-1")
            await w.settle(12)
            assert await w.node_of("web") == "node-1"

    run_virtual(main())


def test_a_node_is_never_filled_beyond_what_it_has() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.nodes(3, cpu="1")
            for i in range(10):
                await w.pod(f"web-{i}", cpu="400m")
            await w.settle(3)
            nodes = [node for node in (await w.placed()).values() if node]
            assert sorted(nodes.count(f"node-{i}") for i in (1, 2, 3)) == [2, 2, 2]

    run_virtual(main())


def test_a_freed_place_is_taken_after_the_back_off() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.node("node-1", cpu="1")
            await w.pod("first", cpu="800m")
            await w.settle(1)
            await w.pod("second", cpu="800m")
            await w.settle(60)
            assert await w.node_of("second") == ""
            await w.resource(kinds.PODS).delete("first", "default", grace_period=0)
            await w.settle(1)
            assert await w.node_of("second") == "node-1"

    run_virtual(main())


def test_gates_hold_a_pod_back_without_an_event() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.node("node-1")
            pod = await w.pod("web", schedulingGates=[{"name": "example.com/a"}])
            await w.settle(1)
            assert await w.node_of("web") == "" and await w.messages("web") == []
            assert (await w.scheduled_condition("web"))["reason"] == "SchedulingGated"
            pod = await w.resource(kinds.PODS).get("web", "default")
            pod["spec"]["schedulingGates"] = []
            await w.resource(kinds.PODS).update(pod)
            await w.settle(1)
            assert await w.node_of("web") == "node-1"

    run_virtual(main())


def test_host_ports_keep_pods_apart() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.nodes(2)
            for name in ("a", "b", "c"):
                await w.pod(name, ports=[8080])
                await w.settle(1)
            placed = await w.placed()
            assert {placed["a"], placed["b"]} == {"node-1", "node-2"} and placed["c"] == ""
            [message] = await w.messages("c")
            assert message.startswith(
                "0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports."
            )

    run_virtual(main())


def test_another_schedulers_pods_are_left_alone() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.node("node-1")
            await w.pod("theirs", schedulerName="other")
            await w.settle(30)
            assert await w.node_of("theirs") == "" and await w.messages("theirs") == []

    run_virtual(main())


def test_the_same_seed_gives_the_same_placement() -> None:
    async def placement() -> dict[str, str]:
        async with scheduler_world(seed=7) as w:
            await w.nodes(5)
            for i in range(12):
                await w.pod(f"web-{i}")
            await w.settle(2)
            return await w.placed()

    assert run_virtual(placement()) == run_virtual(placement())


def test_of_two_schedulers_one_leads() -> None:
    async def main() -> None:
        async with scheduler_world(leader_elect=True) as w:
            await w.node("node-1")
            await w.pod("web")
            await w.settle(1)
            lease = await w.resource(kinds.LEASES).get("kube-scheduler", "kube-system")
            assert lease["spec"]["holderIdentity"] == "test" and await w.node_of("web") == "node-1"

    run_virtual(main())
