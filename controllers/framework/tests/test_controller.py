"""Controllers retry what fails, run what asks to run again, and stop with all their workers."""

from __future__ import annotations

import asyncio

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.client.informer import Informer
from controllers.framework.controller import Controller, Request, Result
from controllers.framework.expectations import TIMEOUT, Expectations


def config(name: str) -> Object:
    return {"metadata": {"namespace": "n", "name": name, "resourceVersion": "1"}}


class Recording:
    """A Reconciler that notes when it ran and fails as told."""

    def __init__(self, *outcomes: Result | Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.runs: list[tuple[str, float]] = []

    async def reconcile(self, request: Request) -> Result | None:
        self.runs.append((str(request), round(asyncio.get_running_loop().time(), 3)))
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def runs_of(reconciler: Recording, seconds: float) -> list[tuple[str, float]]:
    async def main() -> None:
        informer = Informer()
        controller = Controller("test", reconciler)
        controller.watch(informer)
        informer.replace([config("a")])
        task = asyncio.create_task(controller.run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main())
    return reconciler.runs


def test_a_failed_reconcile_runs_again_with_back_off() -> None:
    conflict = StatusError(409, "Conflict", "again")
    assert runs_of(Recording(conflict, ValueError("a bug"), None), 60) == [("n/a", 0), ("n/a", 0.005), ("n/a", 0.015)]


def test_a_result_runs_again_at_its_time() -> None:
    assert runs_of(Recording(Result(after=30), None), 100) == [("n/a", 0), ("n/a", 30)]


async def test_expectations_hold_until_seen() -> None:
    expectations = Expectations[str]()
    assert expectations.satisfied("a")
    expectations.expect_creations("a", 2)
    expectations.creation_observed("a")
    assert not expectations.satisfied("a")
    expectations.creations_failed("a", 1)
    assert expectations.satisfied("a")
    expectations.expect_deletions("a", ["u1"])
    expectations.deletion_observed("a", "other")
    assert not expectations.satisfied("a")
    expectations.deletion_observed("a", "u1")
    assert expectations.satisfied("a")


def test_expectations_that_nobody_fulfils_expire() -> None:
    async def main() -> None:
        expectations = Expectations[str]()
        expectations.expect_creations("a", 1)
        await asyncio.sleep(TIMEOUT + 1)
        assert expectations.satisfied("a")

    run_virtual(main())
