"""The process is killed and started again: its nodes and their pods are those of before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from apiserver.apimachinery.clock import LoopClock, run_virtual
from apiserver.apimachinery.rand import Random
from kubelet.process import Options, running
from kubelet.tests.test_restarts import shown
from kubelet.tests.worlds import NodeWorld, container, node_world, pod_of


@asynccontextmanager
async def cluster() -> AsyncIterator[NodeWorld]:
    """A server whose node `other` nobody minds; tests start and stop the process of the node `node`."""
    async with node_world(Options(node_name="other")) as nodes:
        yield nodes


@asynccontextmanager
async def process(nodes: NodeWorld, seed: int) -> AsyncIterator[None]:
    clock = LoopClock(asyncio.get_running_loop())
    clock._offset = nodes.kubelet.context.clock.now() - asyncio.get_running_loop().time()
    async with running(nodes.transport_for, clock, Random(seed), Options()) as started:
        await started.nodes.wait_registered()
        yield


def test_containers_go_on_and_end_when_they_would_have() -> None:
    async def main() -> None:
        async with cluster() as nodes:
            loop = asyncio.get_running_loop()
            began = loop.time()
            async with process(nodes, 1):
                await nodes.create(pod_of(name="server"))
                await nodes.create(pod_of(container("sleep 30"), name="task", restartPolicy="Never"))
                before = await nodes.wait_phase("Running", "server", 5)
                await nodes.wait_phase("Running", "task", 5)
            await asyncio.sleep(5)
            async with process(nodes, 2):
                await nodes.wait_phase("Succeeded", "task", 60)
                assert 29 <= loop.time() - began <= 33
                pod = await nodes.wait_phase("Running", "server", 5)
                assert shown(pod)["containerID"] == shown(before)["containerID"]
                assert shown(pod)["restartCount"] == 0
                assert pod["status"]["podIP"] == before["status"]["podIP"]
                await nodes.create(pod_of(name="new"))
                new = await nodes.wait_phase("Running", "new", 5)
                assert new["status"]["podIP"] not in (before["status"]["podIP"], None)

    run_virtual(main())


def test_what_happened_meanwhile_is_caught_up_with() -> None:
    async def main() -> None:
        async with cluster() as nodes:
            async with process(nodes, 1):
                for name in ("deleted", "ended", "crashing"):
                    script = {"ended": "sleep 3", "crashing": "sleep 4; exit 1"}.get(name, "")
                    policy = "Never" if name == "ended" else "Always"
                    await nodes.create(pod_of(container(script), name=name, restartPolicy=policy))
                    await nodes.wait_phase("Running", name, 5)
            await nodes.delete("deleted")
            await nodes.create(pod_of(name="late"))
            await asyncio.sleep(10)
            async with process(nodes, 2):
                await nodes.wait_gone("deleted", 10)
                await nodes.wait_phase("Running", "late", 5)
                await nodes.wait_phase("Succeeded", "ended", 10)
                await nodes.wait(lambda pod: shown(pod)["restartCount"] == 1, "crashing", 30)

    run_virtual(main())


def test_a_completed_pod_keeps_its_status() -> None:
    async def main() -> None:
        async with cluster() as nodes:
            async with process(nodes, 1):
                await nodes.create(pod_of(container("exit 0"), restartPolicy="Never"))
                before = await nodes.wait_phase("Succeeded", timeout=5)
                await asyncio.sleep(1)
                before = await nodes.wait_phase("Succeeded", timeout=5)
            async with process(nodes, 2):
                await asyncio.sleep(120)
                after = await nodes.wait_phase("Succeeded", timeout=1)
                for status in (before["status"], after["status"]):
                    del status["conditions"]  # that of the sandbox tells of another reason why there is none
                assert after["status"] == before["status"]

    run_virtual(main())
