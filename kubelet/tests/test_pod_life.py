"""A pod on a simulated node, from its binding to its end, as the API shows it."""

from __future__ import annotations

import asyncio

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import Object
from kubelet.tests.worlds import container, node_world, pod_of


def conditions(pod: Object) -> dict[str, str]:
    return {each["type"]: each["status"] for each in pod["status"]["conditions"]}


def test_a_bound_pod_runs_and_is_ready() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await nodes.create(pod_of())
            pod = await nodes.wait_phase("Running", timeout=5)
            assert conditions(pod) == {
                "PodReadyToStartContainers": "True",
                "Initialized": "True",
                "Ready": "True",
                "ContainersReady": "True",
                "PodScheduled": "True",
            }
            status = pod["status"]
            assert status["podIP"] == status["podIPs"][0]["ip"] == "10.128.0.2"
            assert status["hostIP"] == "172.29.0.2"
            assert status["qosClass"] == "BestEffort"
            assert status["observedGeneration"] == 1
            (shown,) = status["containerStatuses"]
            assert shown["ready"] and shown["started"] and shown["restartCount"] == 0
            assert shown["containerID"].startswith("simulated://")
            assert shown["imageID"].startswith("docker.io/library/nginx@sha256:")

    run_virtual(main())


def test_the_events_of_a_start_are_upstreams() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await nodes.create(pod_of())
            await nodes.wait_phase("Running", timeout=5)
            first = await nodes.events()
            assert [reason for _, reason, _ in first] == ["Pulling", "Pulled", "Created", "Started"]
            assert first[0] == ("Normal", "Pulling", 'Pulling image "nginx:1.27"')
            await nodes.create(pod_of(name="second"))
            await nodes.wait_phase("Running", "second", timeout=5)
            present = 'Container image "nginx:1.27" already present on machine and can be accessed by the pod'
            assert (await nodes.events("second"))[0] == ("Normal", "Pulled", present)

    run_virtual(main())


def test_a_pod_start_costs_two_patches_and_its_events() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await nodes.create(pod_of(name="first"))
            await nodes.wait_phase("Running", "first", timeout=5)
            nodes.requests.clear()
            await nodes.create(pod_of())
            await nodes.wait_phase("Running", timeout=5)
            methods = [method for method, target in nodes.requests if "/leases/" not in target]
            assert methods.count("PATCH") <= 2
            assert methods.count("POST") == 3

    run_virtual(main())


def test_a_deleted_pod_stops_and_goes_away() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await nodes.create(pod_of())
            await nodes.wait_phase("Running", timeout=5)
            await nodes.delete()
            await nodes.wait_gone(timeout=5)
            assert ("Normal", "Killing", "Stopping container c") in await nodes.events()
            runtime = nodes.kubelet.context.runtime
            assert await runtime.containers() == [] and await runtime.sandboxes() == []
            assert nodes.kubelet.workers.uids() == []

    run_virtual(main())


def test_what_ends_well_succeeds_and_what_does_not_fails() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await nodes.create(pod_of(container("sleep 3"), name="good", restartPolicy="Never"))
            await nodes.create(pod_of(container("exit 3"), name="bad", restartPolicy="Never"))
            bad = await nodes.wait_phase("Failed", "bad", timeout=5)
            end = bad["status"]["containerStatuses"][0]["state"]["terminated"]
            assert (end["exitCode"], end["reason"]) == (3, "Error")
            assert conditions(bad)["Ready"] == "False"
            good = await nodes.wait_phase("Succeeded", "good", timeout=5)
            assert good["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"

    run_virtual(main())


def test_a_status_that_others_spoil_is_put_right() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await nodes.create(pod_of())
            before = await nodes.wait_phase("Running", timeout=5)
            await asyncio.sleep(1)
            body = {"status": {"podIP": "1.2.3.4", "conditions": [{"type": "Ready", "status": "False"}]}}
            target = "/api/v1/namespaces/default/pods/p/status"
            await nodes.ask("PATCH", target, body, Content_Type="application/strategic-merge-patch+json")
            assert conditions((await nodes.pod()) or {})["Ready"] == "False"
            pod = await nodes.wait(lambda pod: conditions(pod or {})["Ready"] == "True", timeout=15)
            assert pod["status"]["podIP"] == before["status"]["podIP"]

    run_virtual(main())


def test_an_ephemeral_container_is_started_once() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await nodes.create(pod_of())
            await nodes.wait_phase("Running", timeout=5)
            debugger = {"name": "debug", "image": "busybox:1.37", "command": ["sleep", "3"], "targetContainerName": "c"}
            body = {"spec": {"ephemeralContainers": [debugger]}}
            target = "/api/v1/namespaces/default/pods/p/ephemeralcontainers"
            await nodes.ask("PATCH", target, body, Content_Type="application/strategic-merge-patch+json")

            def state(pod: Object | None) -> Object:
                found = ((pod or {})["status"].get("ephemeralContainerStatuses") or [{"state": {}}])[0]
                return found["state"]  # type: ignore[no-any-return]

            await nodes.wait(lambda pod: "running" in state(pod), timeout=5)
            await nodes.wait(lambda pod: "terminated" in state(pod), timeout=5)
            await asyncio.sleep(300)
            pod = await nodes.wait_phase("Running", timeout=1)
            assert "terminated" in state(pod)
            assert pod["status"]["ephemeralContainerStatuses"][0]["restartCount"] == 0

    run_virtual(main())
