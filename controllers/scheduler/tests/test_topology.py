"""Pods near each other, apart, and spread: required and preferred, over hosts and zones."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import run_virtual
from controllers.framework import kinds
from controllers.scheduler.tests.worlds import SchedulerWorld, scheduler_world

ZONE = "topology.kubernetes.io/zone"
HOST = "kubernetes.io/hostname"


async def zones(w: SchedulerWorld, **counts: int) -> None:
    """Nodes named zone-1, zone-2, …"""
    for zone, count in counts.items():
        for i in range(1, count + 1):
            await w.node(f"{zone}-{i}", labels={ZONE: zone})


def term(app: str, key: str) -> dict[str, Any]:
    return {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key}


def spread(app: str, key: str, action: str = "DoNotSchedule", **more: Any) -> dict[str, Any]:
    return {"maxSkew": 1, "whenUnsatisfiable": action, **term(app, key), **more}


REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def test_affinity_follows_and_waits() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await zones(w, a=2, b=2)
            near = {"podAffinity": {REQUIRED: [term("db", ZONE)]}}
            await w.pod("web", affinity=near)
            await w.settle(2)
            [said] = await w.messages("web")
            assert said == (
                "0/4 nodes are available: 4 node(s) didn't match pod affinity rules. preemption: 0/4 nodes are "
                "available: 4 Preemption is not helpful for scheduling."
            )
            await w.pod("db", labels={"app": "db"}, nodeSelector={ZONE: "b"})
            await w.settle(3)
            assert (await w.node_of("web")).startswith("b-")

    run_virtual(main())


def test_a_group_that_likes_itself_can_begin() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await zones(w, a=2, b=2)
            near = {"podAffinity": {REQUIRED: [term("web", ZONE)]}}
            for i in range(4):
                await w.pod(f"web-{i}", labels={"app": "web"}, affinity=near)
                await w.settle(1)
            assert len({node[0] for node in (await w.placed()).values()}) == 1

    run_virtual(main())


def test_anti_affinity_holds_both_ways() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.nodes(2)
            apart = {"podAntiAffinity": {REQUIRED: [term("web", HOST)]}}
            for i in range(3):
                await w.pod(f"web-{i}", labels={"app": "web"}, affinity=apart)
                await w.settle(1)
            placed = await w.placed()
            assert sorted(placed.values()) == ["", "node-1", "node-2"]
            [waiting] = [name for name, node in placed.items() if not node]
            [said] = await w.messages(waiting)
            assert said.startswith("0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.")
            await w.pod("plain", labels={"app": "web"})
            await w.settle(2)
            [said] = await w.messages("plain")
            assert said.startswith(
                "0/2 nodes are available: 2 node(s) didn't satisfy existing pods anti-affinity rules."
            )
            gone = next(name for name, node in placed.items() if node == "node-1")
            await w.resource(kinds.PODS).delete(gone, "default", grace_period=0)
            await w.settle(3)
            assert "node-1" in (await w.node_of(waiting), await w.node_of("plain"))

    run_virtual(main())


def test_preferences_draw_and_push() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.nodes(3, cpu="100")
            await w.pod("db", labels={"app": "db"})
            await w.settle(1)
            weighted = {"weight": 100, "podAffinityTerm": term("db", HOST)}
            await w.pod("friend", affinity={"podAffinity": {PREFERRED: [weighted]}})
            await w.pod("foe", affinity={"podAntiAffinity": {PREFERRED: [weighted]}})
            await w.settle(1)
            placed = await w.placed()
            assert placed["friend"] == placed["db"] != placed["foe"]

    run_virtual(main())


def test_hard_spread_keeps_zones_even() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await zones(w, a=3, b=1, c=1)
            for i in range(7):
                constraint = spread("web", ZONE)
                await w.pod(f"web-{i}", labels={"app": "web"}, topologySpreadConstraints=[constraint])
                await w.settle(1)
            zones_used = [node[0] for node in (await w.placed()).values()]
            assert sorted(zones_used.count(zone) for zone in "abc") == [2, 2, 3]

    run_virtual(main())


def test_a_zone_that_takes_nothing_stops_hard_spread() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await zones(w, a=1)
            await w.node("b-1", labels={ZONE: "b"}, unschedulable=True)
            for i in range(2):
                constraint = spread("web", ZONE)
                await w.pod(f"web-{i}", labels={"app": "web"}, topologySpreadConstraints=[constraint])
                await w.settle(1)
            placed = await w.placed()
            assert sorted(placed.values()) == ["", "a-1"]
            [waiting] = [name for name, node in placed.items() if not node]
            [said] = await w.messages(waiting)
            assert said.startswith(
                "0/2 nodes are available: 1 node(s) didn't match pod topology spread constraints, "
                "1 node(s) were unschedulable."
            )

    run_virtual(main())


def test_pods_of_a_service_are_spread_over_hosts_by_default() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.nodes(4, cpu="100")
            service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}
            await w.resource(kinds.SERVICES).create(service, "default")
            for i in range(8):
                await w.pod(f"web-{i}", labels={"app": "web"})
                await w.settle(1)
            nodes = list((await w.placed()).values())
            assert sorted(nodes.count(f"node-{i}") for i in range(1, 5)) == [2, 2, 2, 2]

    run_virtual(main())
