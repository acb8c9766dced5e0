"""The pod's state machine: syncing, terminating, terminated, never back."""

from __future__ import annotations

import asyncio

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from kubelet.node.api_status import Eviction
from kubelet.node.pod_workers import PodWorkers, State, StepFailed, SyncResult

POD: Object = {"metadata": {"uid": "u", "name": "p", "namespace": "n"}, "spec": {"terminationGracePeriodSeconds": 30}}


class Syncer:
    """Notes its steps; each takes a second."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.running = 0
        self.terminal = False
        self.failures = 0

    async def _step(self, name: str) -> None:
        self.running += 1
        assert self.running == 1, "two steps of one pod at once"
        self.steps.append(name)
        await asyncio.sleep(1)
        self.running -= 1
        if self.failures:
            self.failures -= 1
            raise StepFailed("again")

    async def sync(self, pod: Object, stop: asyncio.Event) -> SyncResult:
        await self._step("sync")
        return SyncResult(terminal=self.terminal)

    async def sync_terminating(self, pod: Object, grace: float, verdict: Eviction | None) -> None:
        await self._step(f"terminating {grace:g}")

    async def sync_terminated(self, pod: Object) -> None:
        await self._step("terminated")


def machine() -> tuple[Syncer, PodWorkers, list[str]]:
    syncer, finished = Syncer(), list[str]()
    now = asyncio.get_running_loop().time
    return syncer, PodWorkers(syncer, Random(1), now, finished.append), finished


def deleted(grace: int) -> Object:
    meta = {**POD["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": grace}
    return {**POD, "metadata": meta}


def test_updates_while_a_step_runs_are_one_more_step() -> None:
    async def main() -> None:
        syncer, workers, _ = machine()
        for _ in range(5):
            workers.update(POD)
            await asyncio.sleep(0.1)
        await asyncio.sleep(5)
        assert syncer.steps == ["sync", "sync"]
        await workers.close()

    run_virtual(main())


def test_a_deleted_pod_goes_through_every_state_once() -> None:
    async def main() -> None:
        syncer, workers, finished = machine()
        workers.update(POD)
        await asyncio.sleep(2)
        workers.update(deleted(10))
        await asyncio.sleep(5)
        assert syncer.steps == ["sync", "terminating 10", "terminated"]
        assert finished == ["u"] and workers.state("u") is State.FINISHED
        workers.update(POD)
        await asyncio.sleep(5)
        assert len(syncer.steps) == 3
        assert workers.forget("u")
        await workers.close()

    run_virtual(main())


def test_a_terminal_pod_is_brought_down_without_being_asked() -> None:
    async def main() -> None:
        syncer, workers, _ = machine()
        syncer.terminal = True
        workers.update(POD)
        await asyncio.sleep(5)
        assert syncer.steps == ["sync", "terminating 30", "terminated"]
        await workers.close()

    run_virtual(main())


def test_the_grace_period_only_gets_shorter() -> None:
    async def main() -> None:
        syncer, workers, _ = machine()
        workers.update(deleted(20))
        syncer.failures = 2
        await asyncio.sleep(0.5)
        workers.update(deleted(60))
        await asyncio.sleep(3)
        workers.update(deleted(5))
        await asyncio.sleep(60)
        assert syncer.steps == ["terminating 20", "terminating 20", "terminating 5", "terminated"]
        await workers.close()

    run_virtual(main())


def test_a_failed_step_is_taken_again_after_ten_to_fifteen_seconds() -> None:
    async def main() -> None:
        syncer, workers, _ = machine()
        syncer.failures = 1
        workers.update(POD)
        await asyncio.sleep(10.9)
        assert syncer.steps == ["sync"]
        await asyncio.sleep(6)
        assert syncer.steps == ["sync", "sync"]
        await workers.close()

    run_virtual(main())


def test_who_waits_for_the_end_is_told_when_the_containers_have_stopped() -> None:
    async def main() -> None:
        syncer, workers, _ = machine()
        workers.update(POD)
        await asyncio.sleep(2)
        done = workers.kill("u", grace=1, verdict=Eviction("Evicted", "out of memory"))
        assert done is not None
        await done
        assert syncer.steps[:2] == ["sync", "terminating 1"]
        assert workers.kill("u") is None
        await workers.close()

    run_virtual(main())
