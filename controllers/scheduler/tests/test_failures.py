"""What goes wrong does no harm: bindings that fail, pods that go, a scheduler that starts anew, several profiles."""

from __future__ import annotations

import asyncio

from apiserver.apimachinery.clock import run_virtual
from controllers.framework import kinds
from controllers.scheduler.configuration import Configuration, load
from controllers.scheduler.tests.worlds import scheduler_world


def test_a_binding_that_fails_frees_the_place_and_is_tried_again() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.node("node-1", cpu="1")
            w.transport.fails = lambda method, target: target.endswith("/first/binding")
            await w.pod("first", cpu="800m")
            await w.settle(0.5)
            condition = await w.scheduled_condition("first")
            assert condition["reason"] == "SchedulerError"
            assert condition["message"] == 'running Bind plugin "DefaultBinder": the line is cut'
            assert await w.messages("first") == [condition["message"]]
            await w.pod("second", cpu="800m")
            await w.settle(1)
            assert await w.node_of("second") == "node-1"
            w.transport.fails = lambda method, target: False
            await w.resource(kinds.PODS).delete("second", "default", grace_period=0)
            await w.settle(15)
            assert await w.node_of("first") == "node-1"

    run_virtual(main())


def test_a_pod_deleted_while_it_waits_is_forgotten() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.pod("gone", cpu="1")
            await w.settle(1)
            await w.resource(kinds.PODS).delete("gone", "default", grace_period=0)
            await w.node("node-1", cpu="1")
            await w.pod("here", cpu="1")
            await w.settle(1)
            assert await w.placed() == {"here": "node-1"}

    run_virtual(main())


def test_a_pod_that_somebody_else_binds_is_counted() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.node("node-1", cpu="1")
            await w.pod("theirs", cpu="800m", schedulerName="other")
            binding = {"metadata": {"name": "theirs"}, "target": {"kind": "Node", "name": "node-1"}}
            await w.resource(kinds.PODS).create(binding, "default", name="theirs", subresource="binding")
            await w.settle(0.1)
            await w.pod("ours", cpu="800m")
            await w.settle(2)
            assert await w.node_of("ours") == ""

    run_virtual(main())


def test_finished_pods_leave_their_place() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.node("node-1", cpu="1")
            first = await w.pod("first", cpu="800m", restartPolicy="Never")
            await w.settle(0.5)
            await w.pod("second", cpu="800m")
            await w.settle(2)
            assert await w.node_of("second") == ""
            first = await w.resource(kinds.PODS).get("first", "default")
            await w.set_phase(first, "Succeeded")
            await w.settle(2)
            assert await w.node_of("second") == "node-1"

    run_virtual(main())


def test_a_scheduler_that_starts_anew_counts_what_is_there() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.nodes(2, cpu="1")
            for i in range(3):
                await w.pod(f"before-{i}", cpu="400m")
            await w.settle(1)
            before = await w.placed()
            await w.stop()
            for i in range(3):
                await w.pod(f"after-{i}", cpu="400m")
            w.start()
            await w.settle(2)
            placed = await w.placed()
            assert all(placed[name] == node for name, node in before.items())
            assert sorted(placed.values()) == ["", "", "node-1", "node-1", "node-2", "node-2"]

    run_virtual(main())


def test_a_server_that_is_away_for_a_while_is_waited_for() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.node("node-1")
            w.transport.fails = lambda method, target: True
            await w.pod("web")
            await w.settle(30)
            w.transport.fails = lambda method, target: False
            await w.settle(60)
            assert await w.node_of("web") == "node-1"

    run_virtual(main())


def test_a_new_leader_takes_over() -> None:
    async def main() -> None:
        async with scheduler_world(leader_elect=True) as w:
            await w.node("node-1")
            await w.pod("first")
            await w.settle(1)
            await w.stop()
            await w.pod("second")
            w.start(seed=2)
            await w.settle(20)
            assert await w.placed() == {"first": "node-1", "second": "node-1"}

    run_virtual(main())


def test_each_profile_has_its_own_pods_and_its_own_ways() -> None:
    configuration = load(
        """
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: default-scheduler
- schedulerName: blind
  plugins: {multiPoint: {disabled: [{name: TaintToleration}]}}
"""
    )

    async def main() -> None:
        async with scheduler_world(configuration=configuration) as w:
            await w.node("node-1", taints=[{"key": "k", "effect": "NoSchedule"}])
            await w.pod("default")
            await w.pod("blind", schedulerName="blind")
            await w.settle(1)
            assert await w.placed() == {"default": "", "blind": "node-1"}
            events = [e for e in await w.all(kinds.EVENTS) if e["involvedObject"]["name"] == "blind"]
            assert [e["reportingComponent"] for e in events] == ["blind"]

    run_virtual(main())


def test_bin_packing_fills_one_node_after_the_other() -> None:
    configuration = load(
        """
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- pluginConfig:
  - {name: NodeResourcesFit, args: {scoringStrategy: {type: MostAllocated}}}
  plugins: {score: {disabled: [{name: NodeResourcesBalancedAllocation}]}}
"""
    )

    async def placement(given: Configuration | None) -> list[int]:
        async with scheduler_world(configuration=given) as w:
            await w.nodes(3, cpu="4")
            for i in range(4):
                await w.pod(f"web-{i}", cpu="1", memory="1Gi")
                await w.settle(0.5)
            nodes = list((await w.placed()).values())
            return sorted(nodes.count(f"node-{i}") for i in (1, 2, 3))

    assert run_virtual(placement(configuration)) == [0, 0, 4]
    assert run_virtual(placement(None)) == [1, 1, 2]


def test_an_hour_of_churn_leaves_nothing_behind() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.nodes(2, cpu="1")
            for i in range(60):
                await w.pod(f"web-{i}", cpu="400m")
                await w.settle(30)
                await w.resource(kinds.PODS).delete(f"web-{i}", "default", grace_period=0)
                await w.settle(30)
            names = [task.get_name() for task in asyncio.all_tasks()]
            assert sum(name.startswith(("bind-", "status-", "event")) for name in names) <= 2

    run_virtual(main())


def test_kinds_that_are_not_served_count_as_empty_until_they_are() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.stop()
            w.transport.missing = lambda target: (
                "/persistentvolumeclaims" in target or "/poddisruptionbudgets" in target
            )
            w.start()
            await w.node("node-1")
            await w.pod("plain")
            await w.pod("with-data", volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}])
            await w.settle(2)
            assert await w.placed() == {"plain": "node-1", "with-data": ""}
            w.transport.missing = lambda target: False
            await w.settle(60)
            ready = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "volumeName": "v"}
            annotations = {"pv.kubernetes.io/bind-completed": "yes"}
            volume = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/d"}}
            await w.resource(kinds.PERSISTENT_VOLUMES).create({"metadata": {"name": "v"}, "spec": volume})
            claim = {"metadata": {"name": "data", "annotations": annotations}, "spec": ready}
            await w.resource(kinds.PERSISTENT_VOLUME_CLAIMS).create(claim, "default")
            await w.settle(30)
            assert await w.node_of("with-data") == "node-1"

    run_virtual(main())
