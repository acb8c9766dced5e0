"""Nodes: registered as upstream, heartbeating, each with an identity of its own."""

from __future__ import annotations

import asyncio

from apiserver.apimachinery.clock import parse_rfc3339, run_virtual
from apiserver.client.resources import MERGE_PATCH
from kubelet.process import Options
from kubelet.tests.worlds import node_world, pod_of

NODE = "/api/v1/nodes/node"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node"


def test_a_node_registers_ready_with_what_it_offers() -> None:
    async def main() -> None:
        async with node_world(Options(labels={"zone": "a"}, reserved={"cpu": "500m"})) as nodes:
            node = await nodes.ask("GET", NODE)
            labels = node["metadata"]["labels"]
            assert labels["kubernetes.io/hostname"] == "node" and labels["zone"] == "a"
            status = node["status"]
            assert [each["type"] for each in status["conditions"]] == [
                "MemoryPressure",
                "DiskPressure",
                "PIDPressure",
                "Ready",
            ]
            assert status["conditions"][-1]["status"] == "True"
            assert status["capacity"]["cpu"] == "8" and status["allocatable"]["cpu"] == "7500m"
            assert status["nodeInfo"]["kubeletVersion"] == "v1.37.2"
            assert status["nodeInfo"]["containerRuntimeVersion"] == "simulated://1.0.0"
            assert {"type": "InternalIP", "address": "172.29.0.2"} in status["addresses"]
            assert asyncio.get_running_loop().time() < 1

    run_virtual(main())


def test_the_lease_is_renewed_every_ten_seconds() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await asyncio.sleep(5)
            first = await nodes.ask("GET", LEASE)
            assert first["spec"]["leaseDurationSeconds"] == 40
            assert first["metadata"]["ownerReferences"][0]["kind"] == "Node"
            await asyncio.sleep(60)
            last = await nodes.ask("GET", LEASE)
            between = parse_rfc3339(last["spec"]["renewTime"]) - parse_rfc3339(first["spec"]["renewTime"])
            assert 50 <= between <= 65

    run_virtual(main())


def test_an_idle_node_sends_only_heartbeats() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await asyncio.sleep(30)
            nodes.requests.clear()
            await asyncio.sleep(600)
            others = [(m, t) for m, t in nodes.requests if "/leases/" not in t and "watch=true" not in t]
            assert 1 <= len(others) <= 4  # a report every five minutes, sooner at first
            assert all(each == ("PATCH", "/api/v1/nodes/node/status") for each in others), others

    run_virtual(main())


def test_many_nodes_have_their_own_names_addresses_and_pods() -> None:
    async def main() -> None:
        async with node_world(Options(simulated_nodes=5)) as nodes:
            listed = await nodes.ask("GET", "/api/v1/nodes")
            assert [each["metadata"]["name"] for each in listed["items"]] == [f"node-{i}" for i in range(1, 6)]
            for i in range(1, 6):
                await nodes.create(pod_of(name=f"p{i}", node=f"node-{i}"))
            ips = [(await nodes.wait_phase("Running", f"p{i}", 5))["status"]["podIP"] for i in range(1, 6)]
            assert len(set(ips)) == 5

    run_virtual(main())


def test_pod_addresses_come_from_the_pod_cidr_once_there_is_one() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await nodes.ask(
                "PATCH",
                NODE,
                {"spec": {"podCIDR": "10.200.3.0/24", "podCIDRs": ["10.200.3.0/24"]}},
                Content_Type=MERGE_PATCH,
            )
            await asyncio.sleep(1)
            await nodes.create(pod_of())
            assert (await nodes.wait_phase("Running", timeout=5))["status"]["podIP"] == "10.200.3.2"
            await nodes.create(pod_of(name="host", hostNetwork=True))
            assert (await nodes.wait_phase("Running", "host", 5))["status"]["podIP"] == "172.29.0.2"

    run_virtual(main())


def test_a_node_that_was_there_before_is_taken_over() -> None:
    async def main() -> None:
        async with node_world() as first:
            node = await first.ask("GET", NODE)
            body = {"metadata": {"labels": {"kubernetes.io/os": "plan9", "mine": "kept"}}}
            await first.ask("PATCH", NODE, body, Content_Type=MERGE_PATCH)
            await first.kubelet.node_status.register()
            again = await first.ask("GET", NODE)
            assert again["metadata"]["uid"] == node["metadata"]["uid"]
            assert again["metadata"]["labels"]["kubernetes.io/os"] == "linux"
            assert again["metadata"]["labels"]["mine"] == "kept"

    run_virtual(main())
