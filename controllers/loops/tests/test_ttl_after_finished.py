"""Finished jobs with a time to live go when it has passed; others stay."""

from __future__ import annotations

from apiserver.apimachinery.clock import rfc3339, run_virtual
from apiserver.client.resources import MERGE_PATCH
from controllers.framework.kinds import JOBS
from controllers.tests.worlds import LoopWorld, loop_world

LOOP = "ttl-after-finished-controller"


async def finished(w: LoopWorld, name: str, ttl: int | None) -> None:
    pod = {"containers": [{"name": "main", "image": "busybox"}], "restartPolicy": "Never"}
    spec = {"template": {"spec": pod}, **({"ttlSecondsAfterFinished": ttl} if ttl is not None else {})}
    await w.resource(JOBS).create({"metadata": {"name": name}, "spec": spec}, "default")
    now = rfc3339(w.now())
    conditions = [{"type": t, "status": "True", "lastTransitionTime": now} for t in ("FailureTarget", "Failed")]
    status = {"conditions": conditions, "startTime": now}
    await w.resource(JOBS).patch(name, "default", {"status": status}, type=MERGE_PATCH, subresource="status")


async def names(w: LoopWorld) -> list[str]:
    return [job["metadata"]["name"] for job in await w.all(JOBS)]


def test_a_finished_job_goes_when_its_time_has_passed() -> None:
    async def main() -> None:
        async with loop_world(LOOP, "garbage-collector-controller") as w:
            await finished(w, "now", 0)
            await finished(w, "later", 100)
            await finished(w, "never", None)
            await w.settle()
            assert await names(w) == ["later", "never"]
            await w.settle(90)
            assert await names(w) == ["later", "never"]
            await w.settle(10)
            assert await names(w) == ["never"]

    run_virtual(main())


def test_the_time_may_be_given_and_prolonged_afterwards() -> None:
    async def main() -> None:
        async with loop_world(LOOP, "garbage-collector-controller") as w:
            await finished(w, "a", None)
            await finished(w, "b", 50)
            for name, ttl in (("a", 20), ("b", 500)):
                await w.resource(JOBS).patch(name, "default", {"spec": {"ttlSecondsAfterFinished": ttl}})
            await w.settle(60)
            assert await names(w) == ["b"]
            await w.settle(500)
            assert await names(w) == []

    run_virtual(main())
