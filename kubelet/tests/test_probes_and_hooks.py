"""Probes decide about readiness and restarts; hooks run at start and end."""

from __future__ import annotations

import asyncio

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import Object
from kubelet.tests.test_restarts import restarts, shown
from kubelet.tests.worlds import container, node_world, pod_of, simulated

HTTP = {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1}


def is_ready(pod: Object | None) -> bool:
    conditions = ((pod or {}).get("status") or {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def test_a_pod_is_ready_when_its_probe_succeeds_and_not_ready_when_it_fails() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            annotations = simulated(ready_after="5", ready_until="20")
            await nodes.create(
                pod_of(container(readinessProbe={**HTTP, "failureThreshold": 1}), annotations=annotations)
            )
            pod = await nodes.wait_phase("Running", timeout=5)
            assert not is_ready(pod)
            unready = next(each for each in pod["status"]["conditions"] if each["type"] == "Ready")
            assert unready["reason"] == "ContainersNotReady"
            assert unready["message"] == "containers with unready status: [c]"
            began = asyncio.get_running_loop().time()
            await nodes.wait(is_ready, timeout=10)
            assert 3 <= asyncio.get_running_loop().time() - began <= 7
            await nodes.wait(lambda pod: not is_ready(pod), timeout=20)
            message = "Readiness probe failed: HTTP probe failed with statuscode: 500"
            assert ("Warning", "Unhealthy", message) in await nodes.events()

    run_virtual(main())


def test_without_waiting_for_a_period_a_probe_follows_a_start() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await asyncio.sleep(60)
            await nodes.create(pod_of(container(readinessProbe={**HTTP, "periodSeconds": 30})))
            await nodes.wait(is_ready, timeout=1)

    run_virtual(main())


def test_a_failed_liveness_probe_restarts_the_container() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await nodes.create(pod_of(container(livenessProbe=HTTP), annotations=simulated(live_until="10")))
            await nodes.wait(restarts(1), timeout=30)
            events = await nodes.events()
            assert ("Normal", "Killing", "Container c failed liveness probe, will be restarted") in events

    run_virtual(main())


def test_an_exec_probe_sees_the_files_of_its_container() -> None:
    script = "echo ok >/tmp/health; sleep 10; rm -rf /tmp/health; sleep 600"

    async def main() -> None:
        async with node_world() as nodes:
            probe = {"exec": {"command": ["cat", "/tmp/health"]}, "periodSeconds": 1, "failureThreshold": 1}
            await nodes.create(pod_of(container(script, livenessProbe=probe)))
            began = asyncio.get_running_loop().time()
            await nodes.wait(restarts(1), timeout=30)
            assert 9 <= asyncio.get_running_loop().time() - began <= 13

    run_virtual(main())


def test_a_startup_probe_holds_the_others_back() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            slow = container(startupProbe={**HTTP, "failureThreshold": 30}, livenessProbe=HTTP, readinessProbe=HTTP)
            await nodes.create(pod_of(slow, annotations=simulated(started_after="8")))
            pod = await nodes.wait_phase("Running", timeout=5)
            assert shown(pod)["started"] is False
            pod = await nodes.wait(is_ready, timeout=20)
            assert shown(pod)["started"] is True and shown(pod)["restartCount"] == 0

    run_virtual(main())


def test_hooks_run_after_the_start_and_before_the_end() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            loop = asyncio.get_running_loop()
            lifecycle = {"postStart": {"exec": {"command": ["true"]}}, "preStop": {"sleep": {"seconds": 7}}}
            await nodes.create(pod_of(container(lifecycle=lifecycle)))
            await nodes.wait_phase("Running", timeout=5)
            began = loop.time()
            await nodes.delete()
            await nodes.wait_gone(timeout=30)
            assert 7 <= loop.time() - began < 9

    run_virtual(main())


def test_a_hook_gets_no_more_than_the_grace_period() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            loop = asyncio.get_running_loop()
            lifecycle = {"preStop": {"sleep": {"seconds": 20}}}
            await nodes.create(pod_of(container(lifecycle=lifecycle), annotations=simulated(stop_seconds="never")))
            await nodes.wait_phase("Running", timeout=5)
            began = loop.time()
            await nodes.delete(grace=5)
            await nodes.wait_gone(timeout=30)
            assert 7 <= loop.time() - began < 8.5  # five of grace, and two that everything gets

    run_virtual(main())


def test_a_failed_post_start_hook_kills_the_container() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            lifecycle = {"postStart": {"exec": {"command": ["false"]}}}
            await nodes.create(pod_of(container(lifecycle=lifecycle)))
            await nodes.wait(restarts(1), timeout=60)
            assert ("Warning", "FailedPostStartHook", "PostStartHook failed") in await nodes.events()

    run_virtual(main())
