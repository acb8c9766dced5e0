"""A new template reaches the pods from the highest down, as far as partition, availability and strategy let it."""

from __future__ import annotations

from apiserver.apimachinery.clock import run_virtual
from controllers.framework import pods as pod_facts
from controllers.framework.kinds import PODS, STATEFUL_SETS
from controllers.loops.statefulset.tests.worlds import LOOP, change_image, pods, start, status
from controllers.loops.tests.workloads import play, workload_world


def test_pods_are_replaced_from_the_highest_down_one_at_a_time() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w)
            await play(w, 6)
            await change_image(w, "nginx:2")
            order = []
            for _ in range(12):
                ready = [p for p in await w.all(PODS) if pod_facts.is_ready(p) and pod_facts.is_active(p)]
                assert len(ready) >= 2
                for name, image in (await pods(w)).items():
                    if image == "nginx:2" and name not in order:
                        order.append(name)
                await w.run_pods()
                await w.finish_deletions()
                await w.settle(1)
            assert order == ["web-2", "web-1", "web-0"]
            found = await status(w)
            assert found["currentRevision"] == found["updateRevision"] and found["currentReplicas"] == 3

    run_virtual(main())


def test_below_the_partition_the_old_template_stays_also_for_pods_that_come_back() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
            await play(w, 6)
            await change_image(w, "nginx:2")
            await play(w, 8)
            assert await pods(w) == {"web-0": "nginx", "web-1": "nginx", "web-2": "nginx:2"}
            found = await status(w)
            assert (found["currentReplicas"], found["updatedReplicas"]) == (2, 1)
            assert found["currentRevision"] != found["updateRevision"]
            await w.resource(PODS).delete("web-0", "default", grace_period=0)
            await play(w, 4)
            assert (await pods(w))["web-0"] == "nginx"
            phased = {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}}
            await w.resource(STATEFUL_SETS).patch("web", "default", phased)
            await play(w, 10)
            assert set((await pods(w)).values()) == {"nginx:2"}

    run_virtual(main())


def test_with_on_delete_only_deleted_pods_come_back_new() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, updateStrategy={"type": "OnDelete"})
            await play(w, 6)
            await change_image(w, "nginx:2")
            await play(w, 5)
            assert set((await pods(w)).values()) == {"nginx"}
            await w.resource(PODS).delete("web-1", "default", grace_period=0)
            await play(w, 4)
            assert await pods(w) == {"web-0": "nginx", "web-1": "nginx:2", "web-2": "nginx"}

    run_virtual(main())


def test_several_pods_are_replaced_at_once_within_max_unavailable() -> None:
    async def main() -> None:
        for policy in ("OrderedReady", "Parallel"):
            async with workload_world(LOOP) as w:
                rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}}
                await start(w, replicas=4, updateStrategy=rolling, podManagementPolicy=policy)
                await play(w, 8)
                await change_image(w, "nginx:2")
                leaving = [p["metadata"]["name"] for p in await w.all(PODS) if p["metadata"].get("deletionTimestamp")]
                assert leaving == ["web-2", "web-3"], policy
                await play(w, 15)
                assert set((await pods(w)).values()) == {"nginx:2"}, policy

    run_virtual(main())


def test_a_broken_update_of_a_parallel_set_is_replaced_by_the_next_one() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, replicas=2, podManagementPolicy="Parallel")
            await play(w, 3)
            await change_image(w, "broken")
            await w.finish_deletions()
            await w.settle()
            assert (await pods(w))["web-1"] == "broken"
            await change_image(w, "nginx:3")
            await w.settle()
            assert (await pods(w))["web-1"] == "nginx:3", "a pod that is not available costs nothing"
            await play(w, 6)
            assert set((await pods(w)).values()) == {"nginx:3"}

    run_virtual(main())
