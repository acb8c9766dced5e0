"""Nodes have pod networks and a ttl; pods go with taints they do not tolerate, with their node, or when too many are over."""

from __future__ import annotations

import math
from typing import Any

import pytest

from apiserver.apimachinery.clock import run_virtual
from controllers.framework import pods as pod_facts
from controllers.framework.kinds import NODES, PODS
from controllers.loops.node_ipam import Exhausted, shares_of
from controllers.loops.node_ttl import step_after
from controllers.loops.pod_gc import surplus
from controllers.loops.taint_eviction import patience
from controllers.loops.tests.builders import make_node, make_pod, pod, pod_world, tell, the_node, told
from controllers.tests.worlds import LoopWorld, loop_world

TAINT = {"key": "k", "value": "v", "effect": "NoExecute"}


async def _taint(w: LoopWorld, node: str, *taints: dict[str, Any]) -> None:
    await w.resource(NODES).patch(node, "", {"spec": {"taints": list(taints)}})


def test_shares_are_given_in_turn_and_come_back() -> None:
    (shares,) = shares_of({"cluster_cidr": "10.0.0.0/22", "service_cluster_ip_range": "10.0.1.0/24"})
    given = [shares.take() for _ in range(3)]
    assert [str(network) for network in given] == ["10.0.0.0/24", "10.0.2.0/24", "10.0.3.0/24"]
    with pytest.raises(Exhausted):
        shares.take()
    shares.release(given[1])
    assert shares.take() == given[1]
    with pytest.raises(ValueError, match="larger than the network"):
        shares_of({"cluster_cidr": "10.0.0.0/28"})


def test_every_node_has_a_network_of_its_own_in_both_families() -> None:
    async def main() -> None:
        settings = {"cluster_cidr": "10.9.0.0/16,fd00:9::/48"}
        async with loop_world("node-ipam-controller", settings=settings) as w:
            fixed = {"metadata": {"name": "fixed"}, "spec": {"podCIDR": "10.9.0.0/24", "podCIDRs": ["10.9.0.0/24"]}}
            await w.resource(NODES).create(fixed)
            for i in range(5):
                await make_node(w, f"n{i}")
            await w.settle()
            cidrs = [node["spec"]["podCIDRs"] for node in await w.all(NODES, "")]
            assert len({pair[0] for pair in cidrs}) == 6
            assert all(len(pair) == 2 for pair in cidrs[1:])
            assert ["10.9.1.0/24", "fd00:9::/64"] in cidrs
            await w.resource(NODES).delete("n0")
            await make_node(w, "later")
            await w.settle()
            later = await the_node(w, "later")
            assert later["spec"]["podCIDR"] == "10.9.6.0/24"

    run_virtual(main())


def test_a_node_for_which_no_network_is_left_is_told() -> None:
    async def main() -> None:
        async with loop_world("node-ipam-controller", settings={"cluster_cidr": "10.9.0.0/24"}) as w:
            await make_node(w, "n0")
            await w.settle()
            await make_node(w, "n1")
            await w.settle()
            assert await told(w, "CIDRNotAvailable") == ["Node n1 status is now: CIDRNotAvailable"]

    run_virtual(main())


def test_the_ttl_follows_the_size_of_the_cluster_without_flapping() -> None:
    assert [step_after(0, n) for n in (100, 101, 501, 3000)] == [0, 1, 2, 4]
    assert step_after(1, 95) == 1 and step_after(1, 89) == 0

    async def main() -> None:
        async with loop_world("ttl-controller") as w:
            await make_node(w, "n1")
            await w.settle()
            node = await the_node(w, "n1")
            assert node["metadata"]["annotations"]["node.alpha.kubernetes.io/ttl"] == "0"

    run_virtual(main())


def test_patience_is_the_shortest_toleration_that_counts() -> None:
    forever = {"key": "k", "operator": "Exists", "effect": "NoExecute"}
    assert patience([TAINT], []) == 0
    assert patience([TAINT], [{"key": "k", "value": "other"}]) == 0
    assert patience([TAINT], [forever]) == math.inf
    assert patience([TAINT], [{**forever, "tolerationSeconds": 5}]) == 5
    assert patience([TAINT], [{"operator": "Exists", "tolerationSeconds": -3}]) == 0
    both = [TAINT, {**TAINT, "key": "l"}]
    assert patience(both, [{**forever, "tolerationSeconds": 9}, {"key": "l", "operator": "Exists"}]) == 9


def test_pods_leave_a_tainted_node_at_once_late_or_never() -> None:
    async def main() -> None:
        async with pod_world("taint-eviction-controller") as w:
            await make_node(w, "n1")
            for name, tolerations in {
                "none": [],
                "late": [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}],
                "never": [{"key": "k", "value": "v"}],
            }.items():
                await w.resource(PODS).create(pod(name, node="n1", tolerations=tolerations), "default")
            await _taint(w, "n1", TAINT)
            await w.settle()

            async def going() -> set[str]:
                return {p["metadata"]["name"] for p in await w.all(PODS) if p["metadata"].get("deletionTimestamp")}

            assert await going() == {"none"}
            await w.settle(50)
            assert await going() == {"none"}
            await w.settle(10)
            assert await going() == {"none", "late"}
            new = await w.resource(PODS).create(pod("new", node="n1"), "default")
            assert new["spec"]["nodeName"] == "n1"
            await w.settle()
            assert await going() == {"none", "late", "new"}

    run_virtual(main())


def test_surplus_pods_are_evicted_ones_then_the_oldest() -> None:
    def over(name: str, created: str, reason: str = "") -> dict[str, Any]:
        status = {"phase": "Failed", "reason": reason}
        return {"metadata": {"name": name, "creationTimestamp": created}, "status": status}

    pods = [over("b", "2026-01-01T00:00:02Z"), over("a", "2026-01-01T00:00:01Z"), over("c", "2026-02-01", "Evicted")]
    assert [p["metadata"]["name"] for p in surplus(pods, 1)] == ["c", "a"]
    assert surplus(pods, 3) == [] and surplus(pods, 0) == []


def test_pods_of_a_vanished_node_fail_and_go_after_a_quarantine() -> None:
    async def main() -> None:
        async with pod_world("pod-garbage-collector-controller") as w:
            await make_node(w, "n1")
            kept = await w.resource(PODS).create(
                {**pod("a", node="n1"), "metadata": {"name": "a", "finalizers": ["example.com/look"]}}, "default"
            )
            await tell(w, kept)
            await make_pod(w, "b", "10.1.0.2", app="web")
            await w.resource(NODES).delete("n1")
            await w.settle(35)
            assert len(await w.all(PODS)) == 2
            await w.settle(40)
            (a,) = await w.all(PODS)
            assert pod_facts.phase(a) == "Failed"
            target = pod_facts.condition(a, "DisruptionTarget")
            assert target is not None
            assert (target["reason"], target["message"]) == ("DeletionByPodGC", "PodGC: node no longer exists")

    run_virtual(main())


def test_unscheduled_pods_being_deleted_and_those_out_of_service_go() -> None:
    async def main() -> None:
        async with pod_world("pod-garbage-collector-controller") as w:
            await make_node(w, "n1")
            await make_pod(w, "down", "10.1.0.1", app="web")
            finalizers = ["example.com/look"]
            held = {**pod("held"), "metadata": {"name": "held", "finalizers": finalizers}}
            await w.resource(PODS).create(held, "default")
            await w.resource(PODS).delete("down", "default")
            await w.resource(PODS).delete("held", "default")
            await w.settle(25)
            assert {p["metadata"]["name"]: pod_facts.phase(p) for p in await w.all(PODS)} == {
                "down": "Running",
                "held": "Failed",
            }
            await _taint(w, "n1", {"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"})
            await w.settle(25)
            assert [p["metadata"]["name"] for p in await w.all(PODS)] == ["held"]

    run_virtual(main())


def test_finished_pods_beyond_the_threshold_go() -> None:
    async def main() -> None:
        settings = {"terminated_pod_gc_threshold": 2}
        async with pod_world("pod-garbage-collector-controller", settings=settings) as w:
            await make_node(w, "n1")
            for i in range(4):
                made = await w.resource(PODS).create(pod(f"p{i}", node="n1"), "default")
                await tell(w, made, phase="Succeeded", ready=False)
                await w.settle(1)
            await w.settle(25)
            assert [p["metadata"]["name"] for p in await w.all(PODS)] == ["p2", "p3"]

    run_virtual(main())
