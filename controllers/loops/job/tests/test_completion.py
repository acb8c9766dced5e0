"""Jobs that succeed: as many pods as wanted side by side, each counted once, until enough have succeeded."""

from __future__ import annotations

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import annotations_of, controller_of, labels_of
from apiserver.client.resources import MERGE_PATCH
from controllers.framework.kinds import JOBS, PODS
from controllers.loops.job import facts
from controllers.loops.job.tests.worlds import BATCH, active, by_index, conditions_of, end, end_all, job, start
from controllers.loops.tests.workloads import told, workload_world

LOOP = "job-controller"


def test_a_job_runs_its_pods_in_parallel_until_enough_have_succeeded() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, completions=5, parallelism=2)
            pods = await active(w)
            assert len(pods) == 2
            for pod in pods:
                assert (controller_of(pod) or {})["kind"] == "Job"
                assert pod["metadata"]["finalizers"] == [facts.TRACKING]
            ran = 0
            while not facts.finished_condition(await job(w)):
                ran += await end_all(w, "Succeeded")
                assert len(await active(w)) <= 2
                await w.settle(BATCH)
            assert ran == 5
            found = await job(w)
            said = ("CompletionsReached", "Reached expected number of succeeded pods")
            assert conditions_of(found) == [("SuccessCriteriaMet", *said), ("Complete", *said)]
            status = {
                k: v for k, v in found["status"].items() if k not in ("conditions", "startTime", "completionTime")
            }
            assert status == {"ready": 0, "terminating": 0, "succeeded": 5, "uncountedTerminatedPods": {}}
            assert found["status"]["completionTime"] > found["status"]["startTime"]
            assert all("finalizers" not in pod["metadata"] for pod in await w.all(PODS))
            assert await told(w, "Completed") == ["Job completed"]
            assert len(await told(w, "SuccessfulCreate")) == 5

    run_virtual(main())


def test_without_a_number_of_completions_one_success_is_enough_but_the_others_may_finish() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, parallelism=3)
            first, *others = await active(w)
            await end(w, first, "Succeeded")
            await w.settle(5)
            assert len(await active(w)) == 2 and not facts.finished_condition(await job(w))
            for pod in others:
                await end(w, pod, "Failed")
            await w.settle(5)
            found = await job(w)
            assert (facts.finished_condition(found) or {})["type"] == "Complete"
            assert (found["status"]["succeeded"], found["status"]["failed"]) == (1, 2)

    run_virtual(main())


def test_ready_and_active_pods_are_counted() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, completions=3, parallelism=3)
            await w.run_pods()
            await w.settle(BATCH)
            status = (await job(w))["status"]
            assert (status["active"], status["ready"], status["terminating"]) == (3, 3, 0)

    run_virtual(main())


def test_an_indexed_job_gives_each_pod_its_index_in_every_form() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, completions=3, parallelism=3, completionMode="Indexed")
            pods = await by_index(w)
            assert sorted(pods) == [0, 1, 2]
            pod = pods[1]
            assert labels_of(pod)[facts.INDEX] == "1" and annotations_of(pod)[facts.INDEX] == "1"
            assert pod["spec"]["hostname"] == "work-1" and pod["metadata"]["name"].startswith("work-1-")
            path = {"apiVersion": "v1", "fieldPath": f"metadata.labels['{facts.INDEX}']"}
            variable = {"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": path}}
            assert pod["spec"]["containers"][0]["env"] == [variable]
            await end(w, pods[2], "Succeeded")
            await end(w, pods[0], "Succeeded")
            await w.settle(BATCH)
            assert (await job(w))["status"]["completedIndexes"] == "0,2"
            await end(w, pods[1], "Failed")
            await w.settle(30)
            again = await by_index(w)
            assert sorted(again) == [1] and again[1]["metadata"]["name"] != pods[1]["metadata"]["name"]
            await end_all(w, "Succeeded")
            await w.settle(5)
            status = (await job(w))["status"]
            assert (status["completedIndexes"], status["succeeded"], status["failed"]) == ("0-2", 3, 1)
            assert (facts.finished_condition(await job(w)) or {})["type"] == "Complete"

    run_virtual(main())


def test_an_elastic_indexed_job_drops_the_pods_beyond_its_new_completions() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, completions=4, parallelism=4, completionMode="Indexed")
            smaller = {"spec": {"completions": 2, "parallelism": 2}}
            await w.resource(JOBS).patch("work", "default", smaller, type=MERGE_PATCH)
            await w.settle(5)
            await w.finish_deletions()
            await w.settle(5)
            assert sorted(await by_index(w)) == [0, 1]
            status = (await job(w))["status"]
            assert status["active"] == 2 and "failed" not in status

    run_virtual(main())


def test_a_success_policy_ends_the_job_early_and_stops_what_still_runs() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            policy = {"rules": [{"succeededIndexes": "0-1", "succeededCount": 1}]}
            await start(w, completions=4, parallelism=4, completionMode="Indexed", successPolicy=policy)
            await w.run_pods()
            await end(w, (await by_index(w))[1], "Succeeded")
            await w.settle(5)
            assert len(await active(w)) == 0
            assert conditions_of(await job(w)) == [("SuccessCriteriaMet", "SuccessPolicy", "Matched rules at index 0")]
            await w.finish_deletions()
            await w.settle(5)
            found = await job(w)
            assert conditions_of(found)[1] == ("Complete", "SuccessPolicy", "Matched rules at index 0")
            assert (found["status"]["succeeded"], found["status"]["completedIndexes"]) == (1, "1")

    run_virtual(main())


def test_more_parallelism_starts_more_pods_and_less_stops_some() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, completions=10, parallelism=2)
            for wanted in (5, 1):
                await w.resource(JOBS).patch("work", "default", {"spec": {"parallelism": wanted}}, type=MERGE_PATCH)
                await w.settle(5)
                assert len(await active(w)) == wanted
            await w.finish_deletions()
            await w.settle(5)
            assert "failed" not in (await job(w))["status"], "pods that were too many are no failures"

    run_virtual(main())


def test_a_suspended_job_has_no_pods_and_its_clock_starts_when_it_is_resumed() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, completions=2, parallelism=2, suspend=True, activeDeadlineSeconds=60)
            found = await job(w)
            assert await active(w) == [] and "startTime" not in found["status"]
            assert conditions_of(found) == [("Suspended", "JobSuspended", "Job suspended")]
            await w.settle(300)
            await w.resource(JOBS).patch("work", "default", {"spec": {"suspend": False}}, type=MERGE_PATCH)
            await w.settle(5)
            found = await job(w)
            assert len(await active(w)) == 2 and found["status"]["startTime"]
            assert conditions_of(found) == [("Suspended", "JobResumed", "Job resumed")]
            assert found["status"]["conditions"][0]["status"] == "False"
            await w.resource(JOBS).patch("work", "default", {"spec": {"suspend": True}}, type=MERGE_PATCH)
            await w.settle(5)
            await w.finish_deletions()
            await w.settle(5)
            found = await job(w)
            assert await w.all(PODS) == [] and "failed" not in found["status"]
            assert await told(w, "Suspended") == ["Job suspended"] and await told(w, "Resumed") == ["Job resumed"]

    run_virtual(main())


def test_a_job_managed_by_another_controller_is_left_alone() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, managedBy="example.com/other")
            assert await active(w) == [] and (await job(w))["status"] == {}

    run_virtual(main())


def test_an_orphan_pod_that_matches_is_adopted_and_counted() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            created = await start(w, completions=2, parallelism=2)
            released, _ = await active(w)
            cut = {"metadata": {"ownerReferences": None}}
            await w.resource(PODS).patch(released["metadata"]["name"], "default", cut, type=MERGE_PATCH)
            await w.settle(5)
            adopted = await w.find(PODS, released["metadata"]["name"])
            assert adopted is not None and (controller_of(adopted) or {})["uid"] == created["metadata"]["uid"]
            assert adopted["metadata"]["finalizers"] == [facts.TRACKING]

    run_virtual(main())


def test_pods_of_a_deleted_job_lose_their_finalizers() -> None:
    async def main() -> None:
        async with workload_world(LOOP, "garbage-collector-controller") as w:
            await start(w, completions=2, parallelism=2)
            await w.run_pods()
            await w.resource(JOBS).delete("work", "default", propagation="Background")
            await w.settle(5)
            await w.finish_deletions()
            await w.settle(5)
            assert await w.all(PODS) == [] and await w.find(JOBS, "work") is None

    run_virtual(main())


def test_a_thousand_pods_are_each_counted_once() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, completions=1000, parallelism=1000)
            await w.settle(5)
            assert len(await active(w)) == 1000
            await end_all(w, "Succeeded")
            await w.settle(10)
            found = await job(w)
            assert found["status"]["succeeded"] == 1000 and facts.finished_condition(found)

    run_virtual(main())
