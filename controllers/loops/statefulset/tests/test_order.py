"""Pods of a StatefulSet have names; in order each waits for those before it."""

from __future__ import annotations

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import controller_of, labels_of
from apiserver.client.resources import MERGE_PATCH
from controllers.framework.kinds import CONTROLLER_REVISIONS, PODS, STATEFUL_SETS
from controllers.loops.statefulset.tests.worlds import LOOP, change_image, pods, scale, start, status
from controllers.loops.tests.workloads import play, told, workload_world


def test_pods_come_one_after_the_other_and_know_who_they_are() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w)
            for count in (1, 2, 3):
                assert sorted(await pods(w)) == [f"web-{i}" for i in range(count)]
                await w.settle(20)
                assert len(await pods(w)) == count, "not before the last one is ready"
                await w.run_pods()
                await w.settle(1)
            pod = await w.find(PODS, "web-1")
            [revision] = await w.all(CONTROLLER_REVISIONS)
            assert pod is not None and (controller_of(pod) or {})["kind"] == "StatefulSet"
            assert labels_of(pod) == {
                "app": "web",
                "controller-revision-hash": revision["metadata"]["name"],
                "statefulset.kubernetes.io/pod-name": "web-1",
                "apps.kubernetes.io/pod-index": "1",
            }
            assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("web-1", "web")
            name = revision["metadata"]["name"]
            assert name == f"web-{labels_of(revision)['controller.kubernetes.io/hash']}" and revision["revision"] == 1
            assert await status(w) == {
                "observedGeneration": 1,
                "replicas": 3,
                "readyReplicas": 3,
                "currentReplicas": 3,
                "updatedReplicas": 3,
                "availableReplicas": 3,
                "currentRevision": name,
                "updateRevision": name,
                "collisionCount": 0,
            }
            assert sorted(await told(w, "SuccessfulCreate")) == [
                f"Create Pod web-{i} in StatefulSet web successful" for i in range(3)
            ]

    run_virtual(main())


def test_the_highest_goes_first_and_one_at_a_time() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w)
            await play(w, 6)
            await scale(w, 1)
            leaving = [p["metadata"]["name"] for p in await w.all(PODS) if p["metadata"].get("deletionTimestamp")]
            assert leaving == ["web-2"]
            await w.settle(30)
            assert len(await pods(w)) == 3, "web-1 waits until web-2 is gone"
            await w.finish_deletions()
            await w.settle()
            await w.finish_deletions()
            await w.settle()
            assert list(await pods(w)) == ["web-0"]

    run_virtual(main())


def test_scaling_down_stops_while_another_pod_is_not_ready() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w)
            await play(w, 6)
            first = await w.find(PODS, "web-0")
            assert first is not None
            await w.set_phase(first, "Running", ready=False)
            await scale(w, 1)
            await play(w, 5)
            assert sorted(await pods(w)) == ["web-0", "web-1", "web-2"]
            await w.set_phase(first, "Running", ready=True)
            await play(w, 5)
            assert list(await pods(w)) == ["web-0"]

    run_virtual(main())


def test_parallel_sets_make_and_take_all_at_once() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, replicas=4, podManagementPolicy="Parallel")
            assert sorted(await pods(w)) == ["web-0", "web-1", "web-2", "web-3"]
            await w.run_pods()
            await scale(w, 1)
            await w.finish_deletions()
            await w.settle()
            assert list(await pods(w)) == ["web-0"]

    run_virtual(main())


def test_ordinals_may_start_elsewhere_and_be_moved() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, replicas=2, ordinals={"start": 5})
            await play(w, 5)
            assert sorted(await pods(w)) == ["web-5", "web-6"]
            await w.resource(STATEFUL_SETS).patch("web", "default", {"spec": {"ordinals": {"start": 6}}})
            await play(w, 8)
            assert sorted(await pods(w)) == ["web-6", "web-7"]

    run_virtual(main())


def test_lost_and_failed_pods_come_back_under_their_names() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w)
            await play(w, 6)
            uids = {p["metadata"]["name"]: p["metadata"]["uid"] for p in await w.all(PODS)}
            await w.resource(PODS).delete("web-1", "default", grace_period=0)
            failed = await w.find(PODS, "web-2")
            assert failed is not None
            await w.set_phase(failed, "Failed")
            await play(w, 6)
            after = {p["metadata"]["name"]: p["metadata"]["uid"] for p in await w.all(PODS)}
            assert sorted(after) == sorted(uids)
            assert [name for name in uids if after[name] == uids[name]] == ["web-0"]

    run_virtual(main())


def test_the_next_pod_waits_until_the_last_one_is_available() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, replicas=2, minReadySeconds=30)
            await w.run_pods()
            await w.settle(25)
            assert list(await pods(w)) == ["web-0"]
            await w.settle(10)
            assert sorted(await pods(w)) == ["web-0", "web-1"]

    run_virtual(main())


def test_an_orphan_of_the_right_name_is_adopted_and_one_of_another_name_is_not() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            spec = {"containers": [{"name": "main", "image": "nginx"}]}
            for name in ("web-0", "other-0"):
                orphan = {"metadata": {"name": name, "labels": {"app": "web"}}, "spec": spec}
                await w.resource(PODS).create(orphan, "default")
            await start(w, replicas=1)
            await play(w, 3)
            adopted, other = await w.find(PODS, "web-0"), await w.find(PODS, "other-0")
            assert adopted is not None and (controller_of(adopted) or {})["name"] == "web"
            assert other is not None and controller_of(other) is None

    run_virtual(main())


def test_a_changed_label_of_identity_is_put_back() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, replicas=1)
            await play(w, 3)
            patch = {"metadata": {"labels": {"statefulset.kubernetes.io/pod-name": "x"}}}
            await w.resource(PODS).patch("web-0", "default", patch, type=MERGE_PATCH)
            await w.settle()
            pod = await w.find(PODS, "web-0")
            assert pod is not None and labels_of(pod)["statefulset.kubernetes.io/pod-name"] == "web-0"
            assert await told(w, "SuccessfulUpdate") == ["Update Pod web-0 in StatefulSet web successful"]

    run_virtual(main())


def test_old_revisions_are_cleared_beyond_the_limit() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, replicas=1, revisionHistoryLimit=1)
            await play(w, 3)
            for image in ("a", "b", "c"):
                await change_image(w, image)
                await play(w, 5)
            assert sorted(r["revision"] for r in await w.all(CONTROLLER_REVISIONS)) == [3, 4]
            await change_image(w, "b")
            await play(w, 5)
            assert sorted(r["revision"] for r in await w.all(CONTROLLER_REVISIONS)) == [4, 5]

    run_virtual(main())
