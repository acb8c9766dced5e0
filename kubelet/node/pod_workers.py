"""Pod workers: one state machine for each pod, keyed by uid.

```
            deletionTimestamp, terminal phase, eviction,
            removal from the source, nothing left to run          everything has stopped
SYNCING ─────────────────────────────────────────────► TERMINATING ────────────────────► TERMINATED ──► finished
```
Never back; a pod of the same uid that comes again starts a new machine once the old one has been forgotten. At most one step
of a pod runs at a time; updates that arrive meanwhile are one pending update, the newest. Mirrors pkg/kubelet/pod_workers.go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, Protocol

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.client.resources import jitter
from kubelet.node import facts
from kubelet.node.api_status import Eviction
from kubelet.runtime.interface import ContainerRuntimeError

log = logging.getLogger(__name__)

RESYNC = 60.0  # seconds between two looks at a pod to which nothing happens (upstream SyncFrequency)
BACK_OFF = 10.0  # seconds after a step that failed
JITTER = 0.5


class State(IntEnum):
    SYNCING = 0
    TERMINATING = 1
    TERMINATED = 2
    FINISHED = 3


class StepFailed(Exception):
    """A step has to be taken again; `until` is when it makes sense, 0 for the usual back-off."""

    def __init__(self, message: str, until: float = 0.0) -> None:
        super().__init__(message)
        self.until = until


class SyncResult(NamedTuple):
    """`terminal`: nothing of the pod will run again, by `verdict` where the node decided it.

    `again`: look at once, more is to be done; `within`: look after so many seconds at the latest.
    """

    terminal: bool = False
    again: bool = False
    within: float | None = None
    verdict: Eviction | None = None


class PodSyncer(Protocol):
    """The steps. Each is idempotent; StepFailed asks for another try."""

    async def sync(self, pod: Object, stop: asyncio.Event) -> SyncResult:
        """`stop` is set when the pod is to end: long waits should give up."""
        ...

    async def sync_terminating(self, pod: Object, grace: float, verdict: Eviction | None) -> None: ...

    async def sync_terminated(self, pod: Object) -> None: ...


@dataclass(slots=True)
class _Worker:
    pod: Object
    state: State = State.SYNCING
    pending: bool = False
    grace: float = 0.0  # 0 until the pod is to end; then it only gets shorter
    evicted: bool = False
    removed: bool = False  # gone from where it came from
    verdict: Eviction | None = None
    task: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    waiters: list[asyncio.Future[None]] = field(default_factory=list)


class PodWorkers:
    """The workers of one node. `on_finished` is told of a uid whose worker is done."""

    def __init__(
        self, syncer: PodSyncer, rand: Random, now: Callable[[], float], on_finished: Callable[[str], None]
    ) -> None:
        self._syncer = syncer
        self._rand = rand
        self._now = now
        self._on_finished = on_finished
        self._workers: dict[str, _Worker] = {}
        self._tasks = TaskOwner("pod workers")

    # Questions

    def state(self, uid: str) -> State | None:
        worker = self._workers.get(uid)
        return worker.state if worker is not None else None

    def is_ending(self, uid: str) -> bool:
        state = self.state(uid)
        return state is not None and state > State.SYNCING

    def may_have_running_containers(self, uid: str) -> bool:
        state = self.state(uid)
        return state is not None and state < State.TERMINATED

    def uids(self) -> list[str]:
        return list(self._workers)

    # Updates

    def update(self, pod: Object) -> None:
        """The pod as it is now."""
        uid = facts.uid_of(pod)
        worker = self._workers.get(uid)
        if worker is None:
            worker = self._workers[uid] = _Worker(pod)
        if worker.state is State.FINISHED:
            return
        worker.pod = pod
        if worker.state is State.SYNCING and (facts.is_deleted(pod) or facts.is_terminal(pod)):
            self._begin_end(worker)
        if worker.state is State.TERMINATING:
            self._shorten(worker, None)
        self._wake(uid, worker)

    def look(self, uid: str) -> None:
        """Something happened to the pod's containers: look at it again."""
        worker = self._workers.get(uid)
        if worker is not None and worker.state is not State.FINISHED:
            self._wake(uid, worker)

    def kill(
        self, uid: str, *, grace: float | None = None, verdict: Eviction | None = None, removed: bool = False
    ) -> asyncio.Future[None] | None:
        """End the pod; the future is done when its containers have stopped. None: nothing of it can run."""
        worker = self._workers.get(uid)
        if worker is None or worker.state >= State.TERMINATED:
            return None
        if worker.state is State.SYNCING:
            self._begin_end(worker)
        worker.removed |= removed
        worker.verdict = verdict or worker.verdict
        self._shorten(worker, grace)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        worker.waiters.append(waiter)
        self._wake(uid, worker)
        return waiter

    def forget(self, uid: str) -> bool:
        """Drop a finished worker; False when it is still at work."""
        worker = self._workers.get(uid)
        if worker is not None and worker.state is not State.FINISHED:
            return False
        self._workers.pop(uid, None)
        return True

    def _begin_end(self, worker: _Worker) -> None:
        worker.state = State.TERMINATING
        worker.stop.set()

    def _shorten(self, worker: _Worker, asked: float | None) -> None:
        """The grace period only gets shorter (upstream calculateEffectiveGracePeriod)."""
        grace, overridden = worker.grace, False
        for given in (worker.pod["metadata"].get("deletionGracePeriodSeconds"), asked):
            if given is not None and (not grace or given < grace):
                grace, overridden = float(given), True
        if not overridden and not grace:
            grace = float(worker.pod["spec"].get("terminationGracePeriodSeconds") or 0)
        worker.grace = max(grace, 1.0)

    # Work

    def _wake(self, uid: str, worker: _Worker) -> None:
        worker.pending = True
        if worker.timer is not None:
            worker.timer.cancel()
            worker.timer = None
        if worker.task is None:
            worker.task = self._tasks.create_task(self._work(uid, worker), name=f"pod-worker-{uid}")

    async def _work(self, uid: str, worker: _Worker) -> None:
        """Steps until nothing is pending; then the worker sleeps, without a task, until the next look is due."""
        delay = 0.0
        try:
            while worker.pending and worker.state is not State.FINISHED:
                worker.pending = False
                delay = await self._step(worker)
        finally:
            worker.task = None
        if worker.state is State.FINISHED:
            self._on_finished(uid)
            return
        worker.timer = asyncio.get_running_loop().call_later(delay, self._due, uid, worker)

    def _due(self, uid: str, worker: _Worker) -> None:
        worker.timer = None
        self._wake(uid, worker)

    async def _step(self, worker: _Worker) -> float:
        """One step; returns seconds until the next look."""
        state = worker.state
        try:
            if state is State.SYNCING:
                result = await self._syncer.sync(worker.pod, worker.stop)
                if result.terminal and worker.state is State.SYNCING:
                    self._begin_end(worker)
                    self._shorten(worker, None)
                    worker.verdict = result.verdict
                worker.pending |= result.terminal or result.again
                if result.within is not None:
                    return min(max(result.within, 0.0), jitter(RESYNC, JITTER, self._rand))
            elif state is State.TERMINATING:
                await self._syncer.sync_terminating(worker.pod, worker.grace, worker.verdict)
                worker.state = State.TERMINATED
                worker.pending = True
                self._tell(worker)
            else:
                await self._syncer.sync_terminated(worker.pod)
                worker.state = State.FINISHED
        except (StepFailed, ContainerRuntimeError, StatusError, ConnectionError, TimeoutError) as error:
            log.info("pod step failed", extra={"pod": facts.full_name(worker.pod), "error": str(error)})
            return self._retry_after(error)
        return jitter(RESYNC, JITTER, self._rand)

    def _retry_after(self, error: Exception) -> float:
        until = error.until if isinstance(error, StepFailed) else 0.0
        wait = min(max(until - self._now(), 0.0), RESYNC) if until else BACK_OFF
        return jitter(wait, JITTER, self._rand)

    def _tell(self, worker: _Worker) -> None:
        for waiter in worker.waiters:
            if not waiter.done():
                waiter.set_result(None)
        worker.waiters.clear()

    async def close(self) -> None:
        for worker in self._workers.values():
            if worker.timer is not None:
                worker.timer.cancel()
        await self._tasks.close()
