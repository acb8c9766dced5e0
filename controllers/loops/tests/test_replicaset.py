"""ReplicaSets and ReplicationControllers have as many pods as they ask for, whatever happens to those they have."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import controller_of
from apiserver.client.resources import MERGE_PATCH
from controllers.framework.kinds import NODES, PODS, REPLICA_SETS, REPLICATION_CONTROLLERS, SERVICE_ACCOUNTS
from controllers.loops.tests.workloads import active_pods, condition, patch_spec, play, told, workload, workload_world
from controllers.tests.worlds import LoopWorld

LOOPS = ("replicaset-controller", "replicationcontroller-controller")


async def made(w: LoopWorld, replicas: int = 3, **spec: Any) -> None:
    await w.resource(REPLICA_SETS).create(workload(replicas=replicas, **spec), "default")
    await w.settle()


def test_a_set_makes_its_pods_and_its_status_follows_them() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await made(w)
            pods = await active_pods(w)
            assert len(pods) == 3
            for pod in pods:
                owner = controller_of(pod)
                assert owner is not None and (owner["kind"], owner["name"]) == ("ReplicaSet", "web")
                assert pod["metadata"]["name"].startswith("web-") and pod["metadata"]["labels"] == {"app": "web"}
            await w.run_pods()
            await w.settle()
            found = await w.find(REPLICA_SETS, "web")
            assert found is not None
            assert found["status"] == {
                "replicas": 3,
                "fullyLabeledReplicas": 3,
                "readyReplicas": 3,
                "availableReplicas": 3,
                "terminatingReplicas": 0,
                "observedGeneration": 1,
            }
            assert len(await told(w, "SuccessfulCreate")) == 3

    run_virtual(main())


def test_lost_and_finished_pods_are_replaced() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await made(w)
            first, second, third = await w.run_pods()
            await w.set_phase(first, "Failed")
            await w.resource(PODS).delete(second["metadata"]["name"], "default", grace_period=0)
            await w.settle()
            names = [pod["metadata"]["name"] for pod in await active_pods(w)]
            assert len(names) == 3 and third["metadata"]["name"] in names
            assert first["metadata"]["name"] not in names and second["metadata"]["name"] not in names

    run_virtual(main())


def test_a_pod_that_is_being_deleted_is_replaced_at_once_and_counted_as_terminating() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await made(w, replicas=1)
            [pod] = await w.run_pods()
            await w.resource(PODS).delete(pod["metadata"]["name"], "default")
            await w.settle()
            assert len(await active_pods(w)) == 1 and len(await w.all(PODS)) == 2
            found = await w.find(REPLICA_SETS, "web")
            assert found is not None and found["status"]["terminatingReplicas"] == 1
            await w.finish_deletions()
            await w.settle()
            found = await w.find(REPLICA_SETS, "web")
            assert found is not None and found["status"]["terminatingReplicas"] == 0

    run_virtual(main())


def test_an_orphan_that_matches_is_adopted_and_a_pod_that_no_longer_matches_is_released() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            orphan = {
                "metadata": {"name": "orphan", "labels": {"app": "web"}},
                "spec": workload()["spec"]["template"]["spec"],
            }
            await w.resource(PODS).create(orphan, "default")
            await made(w)
            adopted = await w.find(PODS, "orphan")
            assert adopted is not None and (controller_of(adopted) or {})["name"] == "web"
            assert len(await active_pods(w)) == 3
            await w.resource(PODS).patch("orphan", "default", {"metadata": {"labels": {"app": "x"}}}, type=MERGE_PATCH)
            await w.settle()
            released = await w.find(PODS, "orphan")
            assert released is not None and controller_of(released) is None
            assert len(await active_pods(w, "app=web")) == 3

    run_virtual(main())


def test_what_is_lost_least_goes_first() -> None:
    """Not scheduled, then pending, then not ready, then by deletion cost, then where most of the set's pods are."""

    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await w.resource(NODES).create({"metadata": {"name": "node-1"}})
            await made(w, replicas=7)
            unscheduled, pending, unready, cheap, *crowd, alone = await w.all(PODS)
            await w.set_phase(pending, "Pending")
            await w.set_phase(unready, "Running", ready=False)
            for pod in (cheap, *crowd):
                await w.set_phase(pod, "Running", node="crowded")
            await w.set_phase(alone, "Running", node="lonely")
            cost = {"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-1"}}}
            await w.resource(PODS).patch(cheap["metadata"]["name"], "default", cost, type=MERGE_PATCH)
            for size, gone in ((6, unscheduled), (5, pending), (4, unready), (3, cheap)):
                await patch_spec(w, "web", {"replicas": size}, REPLICA_SETS)
                await w.settle()
                left = [pod["metadata"]["name"] for pod in await active_pods(w)]
                assert len(left) == size and gone["metadata"]["name"] not in left
            await patch_spec(w, "web", {"replicas": 1}, REPLICA_SETS)
            await w.settle()
            assert [p["metadata"]["name"] for p in await active_pods(w)] == [alone["metadata"]["name"]]

    run_virtual(main())


def test_a_ready_pod_becomes_available_by_the_passing_of_time() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await made(w, replicas=2, minReadySeconds=30)
            await w.run_pods()
            await w.settle(20)
            found = await w.find(REPLICA_SETS, "web")
            assert found is not None and found["status"]["readyReplicas"] == 2
            assert "availableReplicas" not in found["status"]
            await w.settle(15)
            found = await w.find(REPLICA_SETS, "web")
            assert found is not None and found["status"]["availableReplicas"] == 2

    run_virtual(main())


def test_pods_that_are_refused_are_told_in_condition_and_event_and_tried_slowly() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            spec = {"template": workload()["spec"]["template"]}
            spec["template"]["spec"]["serviceAccountName"] = "nobody"
            await w.resource(REPLICA_SETS).create(workload(replicas=8, **spec), "default")
            await w.settle(3)
            found = await w.find(REPLICA_SETS, "web")
            assert found is not None and await w.all(PODS) == []
            failure = condition(found, "ReplicaFailure")
            assert (failure["status"], failure["reason"]) == ("True", "FailedCreate")
            message = 'pods "web-" is forbidden: error looking up service account default/nobody: serviceaccount "nobody" not found'
            assert failure["message"] == message
            assert set(await told(w, "FailedCreate")) == {f"Error creating: {message}"}
            await w.resource(SERVICE_ACCOUNTS).create({"metadata": {"name": "nobody"}}, "default")
            await w.settle(120)
            found = await w.find(REPLICA_SETS, "web")
            assert found is not None and "conditions" not in found["status"]
            assert len(await active_pods(w)) == 8

    run_virtual(main())


def test_a_set_of_a_thousand_is_made_and_goes_again_with_few_writes_of_status() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await made(w, replicas=1000)
            await w.eventually(lambda: _count(w, 1000))
            await w.run_pods()
            await w.settle()
            found = await w.find(REPLICA_SETS, "web")
            assert found is not None and found["status"]["availableReplicas"] == 1000
            history = await w.server.history()
            writes = [line for line in history if "/registry/replicasets/default/web" in line]
            assert len(writes) < 100, "the status is written for many pods at once"
            await patch_spec(w, "web", {"replicas": 0}, REPLICA_SETS)
            await w.settle()
            await play(w, 10)
            assert await w.all(PODS) == []

    run_virtual(main())


async def _count(w: LoopWorld, count: int) -> bool:
    return len(await active_pods(w)) == count


def test_a_replication_controller_is_the_same_over_another_kind() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await w.resource(REPLICATION_CONTROLLERS).create(workload(selector={"app": "web"}), "default")
            await w.settle()
            await w.run_pods()
            await w.settle()
            found = await w.find(REPLICATION_CONTROLLERS, "web")
            assert found is not None
            assert found["status"] == {
                "replicas": 3,
                "fullyLabeledReplicas": 3,
                "readyReplicas": 3,
                "availableReplicas": 3,
                "observedGeneration": 1,
            }
            [*_, pod] = await active_pods(w)
            owner = controller_of(pod)
            assert owner is not None and (owner["apiVersion"], owner["kind"]) == ("v1", "ReplicationController")

    run_virtual(main())
