"""Containers that end: restart policies, back-off, rules, init containers and sidecars."""

from __future__ import annotations

import asyncio
from typing import Any

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import Object
from kubelet.tests.worlds import container, node_world, pod_of, simulated


def shown(pod: Object | None, name: str = "c") -> dict[str, Any]:
    status = (pod or {}).get("status") or {}
    every = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return next((each for each in every if each["name"] == name), {"state": {}, "restartCount": 0})


def restarts(count: int, name: str = "c") -> Any:
    return lambda pod: shown(pod, name)["restartCount"] >= count


def test_a_crashing_container_is_restarted_at_once_then_later_and_later() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            loop = asyncio.get_running_loop()
            await nodes.create(pod_of(container("exit 1")))
            await nodes.wait(restarts(1), timeout=2)
            pod = await nodes.wait(
                lambda pod: shown(pod)["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff"
            )
            waiting = shown(pod)["state"]["waiting"]
            assert waiting["message"].startswith("back-off 10s restarting failed container=c pod=p_default(")
            assert shown(pod)["lastState"]["terminated"]["exitCode"] == 1
            assert pod["status"]["phase"] == "Running"
            began = loop.time()
            await nodes.wait(restarts(2))
            assert 8 <= loop.time() - began <= 16
            await nodes.wait(restarts(5))
            began = loop.time()
            await nodes.wait(restarts(6))
            assert 150 <= loop.time() - began <= 245  # 160 s, and upstream's jitter of up to a half
            backing_off = [message for _, reason, message in await nodes.events() if reason == "BackOff"]
            uid = pod["metadata"]["uid"]
            assert backing_off[0] == f"Back-off restarting failed container c in pod p_default({uid})"

    run_virtual(main())


def test_on_failure_restarts_what_failed_until_it_succeeds() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await nodes.create(pod_of(container(), restartPolicy="OnFailure", annotations=simulated(exit_code="1,1,0")))
            pod = await nodes.wait_phase("Succeeded")
            assert shown(pod)["restartCount"] == 2

    run_virtual(main())


def test_files_of_a_volume_outlive_their_container() -> None:
    script = "if [[ -r /data/foo ]]\nthen\n exit 0\nelse\n touch /data/foo\n exit 1\nfi"

    async def main() -> None:
        async with node_world() as nodes:
            mounts = [{"name": "data", "mountPath": "/data"}]
            once = container(script, volumeMounts=mounts)
            await nodes.create(pod_of(once, restartPolicy="OnFailure", volumes=[{"name": "data", "emptyDir": {}}]))
            pod = await nodes.wait_phase("Succeeded")
            assert shown(pod)["restartCount"] == 1

    run_virtual(main())


def test_a_restart_rule_restarts_what_the_policy_would_not() -> None:
    rules = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]

    async def main() -> None:
        async with node_world() as nodes:
            ruled = container(image="app", restartPolicy="Never", restartPolicyRules=rules)
            await nodes.create(pod_of(ruled, restartPolicy="Never", annotations=simulated(exit_code="42,7")))
            pod = await nodes.wait_phase("Failed")
            assert shown(pod)["restartCount"] == 1
            assert shown(pod)["state"]["terminated"]["exitCode"] == 7

    run_virtual(main())


def test_init_containers_run_one_after_the_other_before_the_rest() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            inits = [container("sleep 2", "one"), container("sleep 2", "two")]
            await nodes.create(pod_of(container(), initContainers=inits))
            pod = await nodes.wait(lambda pod: "running" in shown(pod, "one")["state"], timeout=5)
            assert shown(pod)["state"]["waiting"]["reason"] == "PodInitializing"
            assert pod["status"]["phase"] == "Pending"
            pod = await nodes.wait(lambda pod: "running" in shown(pod, "two")["state"], timeout=5)
            assert shown(pod, "one")["state"]["terminated"]["reason"] == "Completed"
            pod = await nodes.wait_phase("Running", timeout=5)
            assert shown(pod, "two")["ready"]

    run_virtual(main())


def test_a_failed_init_container_fails_a_pod_that_never_restarts() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            inits = [container("exit 1", "one")]
            await nodes.create(pod_of(container(), initContainers=inits, restartPolicy="Never"))
            pod = await nodes.wait_phase("Failed", timeout=10)
            assert "waiting" in shown(pod)["state"]
            found = next(each for each in pod["status"]["conditions"] if each["type"] == "Initialized")
            assert found["reason"] == "ContainersNotInitialized"
            assert found["message"] == "containers with incomplete status: [one]"

    run_virtual(main())


def test_a_sidecar_runs_beside_the_pod_and_ends_after_it() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            sidecar = container(name="side", restartPolicy="Always")
            await nodes.create(pod_of(container("sleep 5"), initContainers=[sidecar], restartPolicy="Never"))
            await nodes.wait_phase("Running", timeout=5)
            pod = await nodes.wait_phase("Succeeded", timeout=60)
            assert shown(pod, "side")["state"]["terminated"]["exitCode"] == 0

    run_virtual(main())


def test_sidecars_are_stopped_after_the_main_container_last_one_first() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            inits = [container(name=name, restartPolicy="Always") for name in ("first", "second")]
            pod = pod_of(container(), initContainers=inits, annotations=simulated(stop_seconds="2"))
            pod["metadata"]["finalizers"] = ["example.com/kept"]
            await nodes.create(pod)
            await nodes.wait_phase("Running", timeout=5)
            await nodes.delete()
            pod = await nodes.wait(lambda pod: "terminated" in shown(pod)["state"], timeout=60)
            ends = {name: shown(pod, name)["state"]["terminated"]["finishedAt"] for name in ("c", "first", "second")}
            assert ends["c"] < ends["second"] < ends["first"]

    run_virtual(main())


def test_restart_all_containers_starts_the_whole_pod_anew_in_place() -> None:
    rules = [{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}]

    async def main() -> None:
        async with node_world() as nodes:
            source = container(name="source", restartPolicy="Never", restartPolicyRules=rules)
            annotations = {
                "simulated.pocketkube.dev/exit-code.source": "42",
                "simulated.pocketkube.dev/run-seconds.source": "3,never",
            }
            await nodes.create(pod_of(container(), source, restartPolicy="Never", annotations=annotations))
            before = await nodes.wait_phase("Running", timeout=5)
            pod = await nodes.wait(
                lambda pod: (
                    shown(pod, "source")["restartCount"] == 1
                    and shown(pod)["restartCount"] == 1
                    and all("running" in shown(pod, name)["state"] for name in ("c", "source"))
                ),
                timeout=30,
            )
            assert pod["status"]["podIP"] == before["status"]["podIP"]

    run_virtual(main())


def test_a_deadline_ends_a_pod() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await nodes.create(pod_of(activeDeadlineSeconds=10))
            pod = await nodes.wait_phase("Failed", timeout=15)
            assert pod["status"]["reason"] == "DeadlineExceeded"
            assert pod["status"]["message"] == "Pod was active on the node longer than the specified deadline"

    run_virtual(main())
