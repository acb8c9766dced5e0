"""Jobs that fail: back-off between tries, limits over all and by index, policies, deadlines."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import annotations_of
from apiserver.client.resources import MERGE_PATCH
from controllers.framework.kinds import PODS
from controllers.loops.job import facts
from controllers.loops.job.tests.worlds import BATCH, active, by_index, conditions_of, end, end_all, job, start
from controllers.loops.tests.workloads import told, workload_world
from controllers.tests.worlds import LoopWorld

LOOP = "job-controller"


async def wait_for_pod(w: LoopWorld) -> float:
    """Seconds until the next pod runs."""
    begin = w.now()
    await w.eventually(lambda: active(w), within=700, every=0.25)
    return w.now() - begin


def test_a_failed_pod_is_replaced_after_a_back_off_that_doubles_until_the_limit() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, backoffLimit=3)
            waits = []
            for _ in range(3):
                await end_all(w, "Failed")
                waits.append(await wait_for_pod(w) + BATCH)
            assert [round(wait / 10) for wait in waits] == [1, 2, 4]
            await end_all(w, "Failed")
            await w.settle(5)
            found = await job(w)
            said = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
            assert conditions_of(found) == [("FailureTarget", *said), ("Failed", *said)]
            assert found["status"]["failed"] == 4 and "completionTime" not in found["status"]
            assert await told(w, "BackoffLimitExceeded") == [said[1]]

    run_virtual(main())


def test_a_failing_job_stops_what_still_runs_and_ends_when_that_is_gone() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, completions=3, parallelism=3, backoffLimit=0)
            await w.run_pods()
            await end(w, (await active(w))[0], "Failed")
            await w.settle(5)
            found = await job(w)
            assert await active(w) == [] and [c[0] for c in conditions_of(found)] == ["FailureTarget"]
            assert found["status"]["terminating"] == 2
            await w.finish_deletions()
            await w.settle(5)
            found = await job(w)
            assert [c[0] for c in conditions_of(found)] == ["FailureTarget", "Failed"]
            assert found["status"]["failed"] == 3

    run_virtual(main())


def test_restarts_in_place_count_against_the_limit() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, backoffLimit=2, pod={"restartPolicy": "OnFailure"})
            [pod] = await w.run_pods()
            container = {"name": "main", "image": "x", "imageID": "", "ready": True, "restartCount": 2}
            status = {"status": {"containerStatuses": [container]}}
            name = pod["metadata"]["name"]
            await w.resource(PODS).patch(name, "default", status, type=MERGE_PATCH, subresource="status")
            await w.settle(5)
            assert conditions_of(await job(w))[0][:2] == ("FailureTarget", "BackoffLimitExceeded")

    run_virtual(main())


def test_a_job_past_its_deadline_fails() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, activeDeadlineSeconds=30)
            await w.run_pods()
            await w.settle(25)
            assert conditions_of(await job(w)) == []
            await w.settle(10)
            await w.finish_deletions()
            await w.settle(5)
            said = ("DeadlineExceeded", "Job was active longer than specified deadline")
            assert conditions_of(await job(w)) == [("FailureTarget", *said), ("Failed", *said)]

    run_virtual(main())


def policy(**rule: Any) -> dict[str, Any]:
    return {"podFailurePolicy": {"rules": [rule]}}


def test_a_failure_policy_fails_the_job_at_once() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            codes = {"operator": "In", "values": [42]}
            await start(w, **policy(action="FailJob", onExitCodes=codes))
            [pod] = await active(w)
            await end(w, pod, "Failed", code=42)
            await w.settle(5)
            named = f"default/{pod['metadata']['name']}"
            message = f"Container main for pod {named} failed with exit code 42 matching FailJob rule at index 0"
            assert conditions_of(await job(w)) == [
                ("FailureTarget", "PodFailurePolicy", message),
                ("Failed", "PodFailurePolicy", message),
            ]

    run_virtual(main())


def test_a_failure_policy_may_ignore_disruptions() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            pattern = [{"type": "DisruptionTarget", "status": "True"}]
            await start(w, backoffLimit=0, **policy(action="Ignore", onPodConditions=pattern))
            for _ in range(3):
                [pod] = await active(w)
                await end(w, pod, "Failed", conditions=[{"type": "DisruptionTarget", "status": "True"}])
                await w.settle(BATCH)
                await wait_for_pod(w)
            found = await job(w)
            assert conditions_of(found) == [] and "failed" not in found["status"]
            await end_all(w, "Failed")
            await w.settle(5)
            assert conditions_of(await job(w))[1][:2] == ("Failed", "BackoffLimitExceeded")

    run_virtual(main())


def test_each_index_has_its_own_limit_and_the_others_go_on() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, completions=3, parallelism=3, completionMode="Indexed", backoffLimitPerIndex=1)
            pods = await by_index(w)
            assert annotations_of(pods[0])[facts.FAILURES] == "0"
            await end(w, pods[0], "Failed")
            await w.settle(20)
            again = await by_index(w)
            assert annotations_of(again[0])[facts.FAILURES] == "1"
            await end(w, again[0], "Failed")
            await w.settle(5)
            status = (await job(w))["status"]
            assert status["failedIndexes"] == "0" and sorted(await by_index(w)) == [1, 2]
            await end_all(w, "Succeeded")
            await w.settle(5)
            found = await job(w)
            said = ("FailedIndexes", "Job has failed indexes")
            assert conditions_of(found) == [("FailureTarget", *said), ("Failed", *said)]
            assert (found["status"]["completedIndexes"], found["status"]["failed"]) == ("1,2", 2)

    run_virtual(main())


def test_too_many_failed_indexes_end_the_job() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            limits = {"backoffLimitPerIndex": 0, "maxFailedIndexes": 1}
            await start(w, completions=4, parallelism=4, completionMode="Indexed", **limits)
            pods = await by_index(w)
            await end(w, pods[1], "Failed")
            await end(w, pods[3], "Failed")
            await w.settle(5)
            await w.finish_deletions()
            await w.settle(5)
            found = await job(w)
            message = "Job has exceeded the specified maximal number of failed indexes"
            assert conditions_of(found)[1] == ("Failed", "MaxFailedIndexesExceeded", message)
            assert found["status"]["failedIndexes"] == "1,3"

    run_virtual(main())


def test_an_index_may_fail_by_policy() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            rule = policy(action="FailIndex", onExitCodes={"operator": "In", "values": [7]})
            await start(w, completions=2, parallelism=2, completionMode="Indexed", backoffLimitPerIndex=5, **rule)
            pods = await by_index(w)
            await end(w, pods[0], "Failed", code=7)
            await w.settle(30)
            assert (await job(w))["status"]["failedIndexes"] == "0" and sorted(await by_index(w)) == [1]

    run_virtual(main())


def test_a_deleted_pod_is_a_failure_and_is_replaced_at_once_or_when_it_is_gone() -> None:
    async def main() -> None:
        for replacement, at_once in (("TerminatingOrFailed", True), ("Failed", False)):
            async with workload_world(LOOP) as w:
                await start(w, podReplacementPolicy=replacement)
                [pod] = await w.run_pods()
                await w.resource(PODS).delete(pod["metadata"]["name"], "default")
                await w.settle(15)
                assert len(await active(w)) == (1 if at_once else 0), replacement
                current = await w.find(PODS, pod["metadata"]["name"])
                if current is not None:
                    await end(w, current, "Failed")
                    await w.finish_deletions()
                await w.settle(60)
                assert len(await active(w)) == 1 and (await job(w))["status"]["failed"] == 1

    run_virtual(main())
