"""CronJobs over hours and days of virtual time: what is due is made once, what is over is cleared away."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import VIRTUAL_EPOCH, rfc3339, run_virtual
from apiserver.apimachinery.objects import Object, annotations_of, controller_of
from apiserver.client.resources import MERGE_PATCH
from controllers.framework.kinds import CRON_JOBS, JOBS
from controllers.loops.cronjob import facts
from controllers.loops.tests.workloads import told
from controllers.tests.worlds import LoopWorld, loop_world

LOOP = "cronjob-controller"
MINUTE, HOUR = 60, 3600


def cron_job(schedule: str, **spec: Any) -> Object:
    pod = {"containers": [{"name": "main", "image": "busybox"}], "restartPolicy": "Never"}
    template = {"metadata": {"labels": {"of": "cron"}}, "spec": {"template": {"spec": pod}}}
    return {"metadata": {"name": "tick"}, "spec": {"schedule": schedule, "jobTemplate": template, **spec}}


async def start(w: LoopWorld, schedule: str, **spec: Any) -> None:
    await w.resource(CRON_JOBS).create(cron_job(schedule, **spec), "default")


async def end(w: LoopWorld, job: Object, kind: str = "Complete") -> None:
    """Play the job loop: the job is over."""
    now = rfc3339(w.now())
    first = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}[kind]
    conditions = [{"type": t, "status": "True", "lastTransitionTime": now} for t in (first, kind)]
    status: dict[str, Any] = {"conditions": conditions, "startTime": job["metadata"]["creationTimestamp"]}
    if kind == "Complete":
        status |= {"completionTime": now, "succeeded": 1}
    await w.resource(JOBS).patch(
        job["metadata"]["name"], "default", {"status": status}, type=MERGE_PATCH, subresource="status"
    )


async def names(w: LoopWorld) -> list[str]:
    return sorted(job["metadata"]["name"] for job in await w.all(JOBS))


async def status(w: LoopWorld) -> Object:
    found = await w.find(CRON_JOBS, "tick")
    assert found is not None
    return found["status"]  # type: ignore[no-any-return]


def test_a_job_is_made_at_each_time_that_is_due_and_named_by_its_minute() -> None:
    async def main() -> None:
        async with loop_world(LOOP) as w:
            await start(w, "*/5 * * * *")
            await w.settle(16 * MINUTE)
            minute = int(VIRTUAL_EPOCH) // 60
            assert await names(w) == [f"tick-{minute + m}" for m in (5, 10, 15)]
            [job, *_] = await w.all(JOBS)
            owner = controller_of(job)
            assert owner is not None and (owner["kind"], owner["name"]) == ("CronJob", "tick")
            assert job["metadata"]["labels"]["of"] == "cron"
            assert annotations_of(job)[facts.SCHEDULED_AT] == "2026-01-01T00:05:00Z"
            assert job["metadata"]["creationTimestamp"] == "2026-01-01T00:05:00Z"
            found = await status(w)
            assert [ref["name"] for ref in found["active"]] == await names(w)
            assert found["lastScheduleTime"] == "2026-01-01T00:15:00Z"
            assert (await told(w, "SuccessfulCreate"))[0] == f"Created job tick-{minute + 5}"

    run_virtual(main())


def test_finished_jobs_leave_the_active_list_and_only_the_last_ones_stay() -> None:
    async def main() -> None:
        async with loop_world(LOOP) as w:
            await start(w, "@hourly", successfulJobsHistoryLimit=2, failedJobsHistoryLimit=1)
            await w.settle(MINUTE)
            for hour in range(8):
                await w.settle(HOUR)
                for job in await w.all(JOBS):
                    if not facts.finished_as(job):
                        await end(w, job, "Failed" if hour % 4 == 3 else "Complete")
            await w.settle(MINUTE)
            outcomes = sorted(facts.finished_as(job) for job in await w.all(JOBS))
            assert outcomes == ["Complete", "Complete", "Failed"]
            found = await status(w)
            assert "active" not in found and found["lastSuccessfulTime"] < found["lastScheduleTime"]
            assert len(await told(w, "SawCompletedJob")) > 0

    run_virtual(main())


def test_forbid_starts_nothing_while_a_job_runs() -> None:
    async def main() -> None:
        async with loop_world(LOOP) as w:
            await start(w, "* * * * *", concurrencyPolicy="Forbid")
            await w.settle(5 * MINUTE)
            [job] = await w.all(JOBS)
            message = "Not starting job because prior execution is running and concurrency policy is Forbid"
            assert await told(w, "JobAlreadyActive") == [message]
            await end(w, job)
            await w.settle(MINUTE)
            assert len(await w.all(JOBS)) == 2

    run_virtual(main())


def test_replace_takes_the_running_job_away() -> None:
    async def main() -> None:
        async with loop_world(LOOP, "garbage-collector-controller") as w:
            await start(w, "* * * * *", concurrencyPolicy="Replace")
            await w.settle(3 * MINUTE + 10)
            assert len(await w.all(JOBS)) == 1 and len((await status(w))["active"]) == 1
            assert len(await told(w, "SuccessfulDelete")) == 2

    run_virtual(main())


def test_a_suspended_cron_job_makes_nothing_and_goes_on_when_it_is_resumed() -> None:
    async def main() -> None:
        async with loop_world(LOOP) as w:
            await start(w, "* * * * *", suspend=True, startingDeadlineSeconds=30)
            await w.settle(HOUR)
            assert await w.all(JOBS) == []
            await w.resource(CRON_JOBS).patch("tick", "default", {"spec": {"suspend": False}}, type=MERGE_PATCH)
            await w.settle(2 * MINUTE)
            assert len(await w.all(JOBS)) in (2, 3)

    run_virtual(main())


def test_too_many_missed_times_are_told_and_one_job_is_made() -> None:
    async def main() -> None:
        async with loop_world(LOOP) as w:
            await start(w, "* * * * *", suspend=True)
            await w.settle(3 * HOUR)
            await w.resource(CRON_JOBS).patch("tick", "default", {"spec": {"suspend": False}}, type=MERGE_PATCH)
            await w.settle(5)
            assert len(await w.all(JOBS)) == 1
            [message] = await told(w, "TooManyMissedTimes")
            assert message == (
                "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
            )

    run_virtual(main())


def test_a_time_missed_by_more_than_the_deadline_is_left_out() -> None:
    async def main() -> None:
        async with loop_world(LOOP) as w:
            await start(w, "0 * * * *", suspend=True, startingDeadlineSeconds=600)
            await w.settle(HOUR + 30 * MINUTE)
            await w.resource(CRON_JOBS).patch("tick", "default", {"spec": {"suspend": False}}, type=MERGE_PATCH)
            await w.settle(MINUTE)
            assert await w.all(JOBS) == []
            await w.settle(30 * MINUTE)
            assert len(await w.all(JOBS)) == 1

    run_virtual(main())


def test_a_time_zone_moves_the_schedule() -> None:
    async def main() -> None:
        async with loop_world(LOOP) as w:
            await start(w, "30 9 * * *", timeZone="Asia/Tokyo")
            await w.settle(HOUR)
            [job] = await w.all(JOBS)
            assert job["metadata"]["creationTimestamp"] == "2026-01-01T00:30:00Z"
            assert annotations_of(job)[facts.SCHEDULED_AT] == "2026-01-01T09:30:00+09:00"

    run_virtual(main())


def test_a_changed_schedule_counts_from_now_on() -> None:
    async def main() -> None:
        async with loop_world(LOOP) as w:
            await start(w, "0 12 * * *")
            await w.settle(MINUTE)
            await w.resource(CRON_JOBS).patch(
                "tick", "default", {"spec": {"schedule": "*/10 * * * *"}}, type=MERGE_PATCH
            )
            await w.settle(21 * MINUTE)
            assert len(await w.all(JOBS)) == 2

    run_virtual(main())


def test_a_deleted_job_is_missed_and_struck_from_the_list() -> None:
    async def main() -> None:
        async with loop_world(LOOP) as w:
            await start(w, "@hourly")
            await w.settle(HOUR + 5)
            [job] = await w.all(JOBS)
            await w.resource(JOBS).delete(job["metadata"]["name"], "default", propagation="Background")
            await w.settle(5)
            assert "active" not in await status(w)
            assert await told(w, "MissingJob") == [f"Active job went missing: {job['metadata']['name']}"]

    run_virtual(main())


def test_hours_of_a_schedule_whose_jobs_end_make_exactly_as_many_as_there_are_times() -> None:
    async def main() -> None:
        async with loop_world(LOOP) as w:
            made: set[str] = set()
            await start(w, "*/10 * * * *")
            await w.settle(MINUTE)
            for _ in range(30):
                await w.settle(10 * MINUTE)
                for job in await w.all(JOBS):
                    made.add(job["metadata"]["name"])
                    if not facts.finished_as(job):
                        await end(w, job)
            assert len(made) == 30 and len(await w.all(JOBS)) <= 4

    run_virtual(main())
