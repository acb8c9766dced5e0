"""What a node decides by itself: who may come, who has to go, what is resized, what its directory of pods holds."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import MERGE_PATCH
from kubelet.process import Options
from kubelet.tests.test_restarts import shown
from kubelet.tests.worlds import NodeWorld, container, node_world, pod_of


def asking(**requests: str) -> Object:
    return container(resources={"requests": requests})


@pytest.mark.parametrize(
    ("pod", "reason", "message"),
    [
        (
            pod_of(asking(cpu="9")),
            "OutOfcpu",
            "Node didn't have enough resource: cpu, requested: 9000, used: 0, capacity: 8000",
        ),
        (
            pod_of(asking(memory="64Gi")),
            "OutOfmemory",
            "Node didn't have enough resource: memory, requested: 68719476736, used: 0, capacity: 34359738368",
        ),
        (
            pod_of(nodeSelector={"disk": "ssd"}),
            "NodeAffinity",
            "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
        ),
        (
            pod_of(os={"name": "windows"}),
            "PodOSNotSupported",
            "Failed to admit pod as the OS field doesn't match node OS",
        ),
    ],
)
def test_a_pod_that_does_not_fit_is_rejected(pod: Object, reason: str, message: str) -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await nodes.create(pod)
            status = (await nodes.wait_phase("Failed", timeout=5))["status"]
            assert (status["reason"], status["message"]) == (reason, f"Pod was rejected: {message}")
            assert ("Warning", reason, message) in await nodes.events()
            await nodes.delete()
            await nodes.wait_gone(timeout=5)

    run_virtual(main())


def test_what_ended_makes_room_for_the_next() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await nodes.create(pod_of(asking(cpu="6"), name="first"))
            await nodes.wait_phase("Running", "first", 5)
            await nodes.create(pod_of(asking(cpu="6"), name="second"))
            assert (await nodes.wait_phase("Failed", "second", 5))["status"]["reason"] == "OutOfcpu"
            await nodes.delete("first")
            await nodes.wait_gone("first", 5)
            await nodes.create(pod_of(asking(cpu="6"), name="third"))
            await nodes.wait_phase("Running", "third", 5)

    run_virtual(main())


def condition(pod: Object | None, kind: str) -> Object | None:
    found = ((pod or {}).get("status") or {}).get("conditions") or []
    return next((each for each in found if each["type"] == kind), None)


async def resize(nodes: NodeWorld, name: str, **requests: str) -> None:
    body = {"spec": {"containers": [{"name": "c", "resources": {"requests": requests}}]}}
    target = f"/api/v1/namespaces/default/pods/{name}/resize"
    await nodes.ask("PATCH", target, body, Content_Type="application/strategic-merge-patch+json")


def allocated(pod: Object | None) -> Any:
    return shown(pod).get("allocatedResources")


def test_a_resize_in_place_keeps_the_container() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await nodes.create(pod_of(asking(cpu="1")))
            before = await nodes.wait_phase("Running", timeout=5)
            await resize(nodes, "p", cpu="2")
            pod = await nodes.wait(lambda pod: shown(pod)["resources"] == {"requests": {"cpu": "2"}}, timeout=5)
            assert allocated(pod) == {"cpu": "2"}
            assert shown(pod)["containerID"] == shown(before)["containerID"]
            pod = await nodes.wait(lambda pod: condition(pod, "PodResizeInProgress") is None, timeout=5)
            assert pod["status"]["observedGeneration"] == 2
            reasons = [reason for _, reason, _ in await nodes.events()]
            assert "ResizeStarted" in reasons and "ResizeCompleted" in reasons

    run_virtual(main())


def test_a_resize_that_does_not_fit_waits_until_it_does() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await nodes.create(pod_of(asking(cpu="6"), name="big"))
            await nodes.create(pod_of(asking(cpu="1")))
            await nodes.wait_phase("Running", timeout=5)
            await resize(nodes, "p", cpu="5")
            pod = await nodes.wait(lambda pod: condition(pod, "PodResizePending") is not None, timeout=5)
            pending = condition(pod, "PodResizePending") or {}
            assert pending["reason"] == "Deferred"
            enough = "Node didn't have enough resource: cpu, requested: 5000, used: 6000, capacity: 8000"
            assert pending["message"] == enough
            assert allocated(pod) == {"cpu": "1"}
            await nodes.delete("big")
            pod = await nodes.wait(lambda pod: allocated(pod) == {"cpu": "5"}, timeout=10)
            await nodes.wait(lambda pod: condition(pod, "PodResizePending") is None, timeout=5)

    run_virtual(main())


def test_a_resize_policy_may_ask_for_a_restart() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            policy = [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]
            await nodes.create(pod_of({**asking(cpu="1"), "resizePolicy": policy}))
            await nodes.wait_phase("Running", timeout=5)
            await resize(nodes, "p", cpu="2")
            await nodes.wait(lambda pod: shown(pod)["restartCount"] == 1, timeout=10)
            assert ("Normal", "Killing", "Container c resize requires restart") in await nodes.events()

    run_virtual(main())


def test_a_node_under_pressure_evicts_and_refuses() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await nodes.create(pod_of(name="modest"))
            await nodes.create(pod_of(asking(cpu="1", memory="1Gi"), name="careful"))
            await nodes.wait_phase("Running", "careful", 5)
            pressure = {"metadata": {"annotations": {"simulated.pocketkube.dev/pressure": "MemoryPressure"}}}
            await nodes.ask("PATCH", "/api/v1/nodes/node", pressure, Content_Type=MERGE_PATCH)
            pod = await nodes.wait_phase("Failed", "modest", 15)
            assert pod["status"]["reason"] == "Evicted"
            assert pod["status"]["message"] == "The node was low on resource: memory. "
            assert (condition(pod, "DisruptionTarget") or {})["reason"] == "TerminationByKubelet"
            node = await nodes.ask("GET", "/api/v1/nodes/node")
            pressed = next(each for each in node["status"]["conditions"] if each["type"] == "MemoryPressure")
            assert (pressed["status"], pressed["reason"]) == ("True", "KubeletHasInsufficientMemory")
            await nodes.create(pod_of(name="late"))
            assert (await nodes.wait_phase("Failed", "late", 5))["status"]["reason"] == "Evicted"

    run_virtual(main())


STATIC = """
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default}
spec: {containers: [{name: c, image: "nginx:1.27"}]}
"""


def test_a_file_is_a_pod_and_the_api_shows_it(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "web.yaml"
        path.write_text(STATIC)
        async with node_world(Options(pod_manifest_path=tmp_path)) as nodes:
            mirror = await nodes.wait_phase("Running", "web-node", 5)
            assert mirror["metadata"]["annotations"]["kubernetes.io/config.source"] == "file"
            assert mirror["metadata"]["ownerReferences"][0]["kind"] == "Node"
            await nodes.delete("web-node", grace=0)
            again = await nodes.wait(
                lambda pod: pod is not None and pod["metadata"]["uid"] != mirror["metadata"]["uid"], "web-node", 5
            )
            assert again["metadata"]["annotations"] == mirror["metadata"]["annotations"]
            again = await nodes.wait_phase("Running", "web-node", 120)
            assert shown(again)["containerID"] == shown(mirror)["containerID"]
            path.unlink()
            await nodes.wait_gone("web-node", 60)
            assert await nodes.kubelet.context.runtime.sandboxes() == []
            await asyncio.sleep(1)

    run_virtual(main())
