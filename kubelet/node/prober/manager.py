"""The schedule of probes: one task for each probe of a pod, and what they have found (upstream pkg/kubelet/prober).

A pod without probes costs nothing here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from apiserver.apimachinery.clock import parse_rfc3339
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.tasks import TaskOwner
from kubelet.node import facts
from kubelet.node.api_status import Probes
from kubelet.node.context import WARNING, NodeContext
from kubelet.node.prober.checks import ProbeError, check

log = logging.getLogger(__name__)

LIVENESS, READINESS, STARTUP = "liveness", "readiness", "startup"
SPECS = {STARTUP: "startupProbe", READINESS: "readinessProbe", LIVENESS: "livenessProbe"}
# What holds before a probe has been made; None: nothing is known.
INITIAL: dict[str, bool | None] = {LIVENESS: True, READINESS: False, STARTUP: None}
SHOWN = {LIVENESS: "Liveness", READINESS: "Readiness", STARTUP: "Startup"}

Key = tuple[str, str, str]  # uid, container, kind


@dataclass
class _Worker:
    """One probe. `on_hold`: nothing more to find out about this container."""

    pod: Object
    container: dict[str, Any]
    kind: str
    container_id: str = ""
    last: bool | None = None
    run: int = 0
    on_hold: bool = False
    stopped: bool = False
    trigger: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    @property
    def spec(self) -> dict[str, Any]:
        return self.container[SPECS[self.kind]]  # type: ignore[no-any-return]


class ProbeManager(Probes):
    """One node's. `status_of` gives what is shown of a pod; `changed` is told of a pod whose probes found something new."""

    def __init__(
        self, context: NodeContext, status_of: Callable[[str], Object | None], changed: Callable[[str], None]
    ) -> None:
        self._context = context
        self._status_of = status_of
        self._changed = changed
        self._workers: dict[Key, _Worker] = {}
        self._results: dict[str, dict[str, bool | None]] = {kind: {} for kind in SPECS}  # by kind and container id
        self._tasks = TaskOwner("probes")
        self._began = context.clock.now()

    # What has been found

    def alive(self, container_id: str) -> bool | None:
        return self._results[LIVENESS].get(container_id)

    def started(self, container_id: str) -> bool | None:
        return self._results[STARTUP].get(container_id)

    def mark(self, pod: Object, status: Object) -> None:
        """`started` and `ready` of every container (upstream UpdatePodStatus)."""
        uid = facts.uid_of(pod)
        for each in status["containerStatuses"]:
            each["started"] = self._has_started(uid, each)
            each["ready"] = each["started"] and self._is_ready(uid, each)
        inits = {container["name"]: container for container in facts.init_containers(pod)}
        for each in status["initContainerStatuses"]:
            each["started"] = self._has_started(uid, each)
            if facts.is_sidecar(inits[each["name"]]):
                each["ready"] = each["started"] and self._is_ready(uid, each)
            else:
                each["ready"] = (each["state"].get("terminated") or {"exitCode": 1}).get("exitCode") == 0

    def _has_started(self, uid: str, status: dict[str, Any]) -> bool:
        if "running" not in status["state"]:
            return False
        container_id = _bare(status)
        if container_id in self._results[STARTUP]:
            return self._results[STARTUP][container_id] is True
        return bool(status.get("started")) or (uid, status["name"], STARTUP) not in self._workers

    def _is_ready(self, uid: str, status: dict[str, Any]) -> bool:
        if self._results[READINESS].get(_bare(status)) is True:
            return True
        worker = self._workers.get((uid, status["name"], READINESS))
        if worker is None:
            return True
        worker.trigger.set()  # it has just started: no need to wait for the next round
        return False

    # Pods

    def add_pod(self, pod: Object) -> None:
        """Probe its containers from now on."""
        sidecars = [each for each in facts.init_containers(pod) if facts.is_sidecar(each)]
        for container in (*facts.containers(pod), *sidecars):
            for kind, name in SPECS.items():
                key = (facts.uid_of(pod), container["name"], kind)
                if not container.get(name):
                    continue
                if key in self._workers:
                    self._workers[key].pod = pod
                    continue
                worker = self._workers[key] = _Worker(pod, container, kind)
                worker.task = self._tasks.create_task(self._run(key, worker), name=f"probe-{kind}-{container['name']}")

    def stop_liveness_and_startup(self, pod: Object) -> None:
        """The pod ends: it is only asked whether it is still ready."""
        self._stop(facts.uid_of(pod), (LIVENESS, STARTUP))

    def remove_pod(self, uid: str) -> None:
        self._stop(uid, tuple(SPECS))

    def _stop(self, uid: str, kinds: tuple[str, ...]) -> None:
        for key, worker in list(self._workers.items()):
            if key[0] == uid and key[2] in kinds:
                worker.stopped = True
                if worker.task is not None:
                    worker.task.cancel()

    async def _run(self, key: Key, worker: _Worker) -> None:
        period = float(worker.spec.get("periodSeconds") or 10)
        try:
            if period > self._context.clock.now() - self._began:  # after a start not everything is probed at once
                await asyncio.sleep(self._context.rand.random() * period)
            while await self._probe(worker):
                worker.trigger.clear()
                try:
                    async with asyncio.timeout(period):
                        await worker.trigger.wait()
                except TimeoutError:
                    continue
        finally:
            self._results[worker.kind].pop(worker.container_id, None)
            self._workers.pop(key, None)

    def _set(self, worker: _Worker, result: bool | None) -> None:
        results = self._results[worker.kind]
        known = worker.container_id in results
        before = results.get(worker.container_id)
        results[worker.container_id] = result
        if before is not result and (known or result is not None):
            self._changed(facts.uid_of(worker.pod))

    async def _probe(self, worker: _Worker) -> bool:
        """Probe once if it is time for it (upstream doProbe); False when there will be nothing more to probe."""
        pod = worker.pod
        status = self._status_of(facts.uid_of(pod))
        if status is None:
            return True
        if status.get("phase") in facts.TERMINAL:
            return False
        shown = _shown(status, worker.container["name"])
        if shown is None:
            return True
        self._follow(worker, shown)
        if worker.on_hold:
            return True
        state = shown["state"]
        if "running" not in state:
            self._set(worker, False)
            end = state.get("terminated")
            return end is None or facts.should_restart(worker.container, pod["spec"], end.get("exitCode") or 0)
        if facts.is_deleted(pod) and worker.kind in (LIVENESS, STARTUP):
            self._set(worker, True)
            return False
        if not self._is_due(worker, shown):
            return True
        try:
            outcome = await check(
                self._context.runtime,
                worker.kind,
                worker.spec,
                worker.container,
                worker.container_id,
                status.get("podIP") or "",
            )
        except ProbeError as error:
            message = f"{SHOWN[worker.kind]} probe errored and resulted in unknown state: {error}"
            self._context.event(pod, WARNING, "Unhealthy", message, container=worker.container["name"])
            return True
        if not outcome.success:
            message = f"{SHOWN[worker.kind]} probe failed: {outcome.message}"
            self._context.event(pod, WARNING, "Unhealthy", message, container=worker.container["name"])
        self._judge(worker, outcome.success)
        return True

    def _follow(self, worker: _Worker, shown: dict[str, Any]) -> None:
        """Another container of that name: begin anew."""
        container_id = _bare(shown)
        if worker.container_id == container_id:
            return
        self._results[worker.kind].pop(worker.container_id, None)
        worker.container_id = container_id
        worker.on_hold, worker.last, worker.run = False, None, 0
        self._set(worker, INITIAL[worker.kind])

    def _is_due(self, worker: _Worker, shown: dict[str, Any]) -> bool:
        since = self._context.clock.now() - parse_rfc3339(shown["state"]["running"]["startedAt"])
        if int(since) < (worker.spec.get("initialDelaySeconds") or 0):
            return False
        return bool(shown.get("started")) != (worker.kind == STARTUP)

    def _judge(self, worker: _Worker, success: bool) -> None:
        """Thresholds: so many outcomes in a row make a result."""
        worker.run = worker.run + 1 if worker.last is success else 1
        worker.last = success
        threshold = worker.spec.get("successThreshold" if success else "failureThreshold") or (1 if success else 3)
        if worker.run < threshold:
            return
        self._set(worker, success)
        if worker.kind == STARTUP or (worker.kind == LIVENESS and not success):
            worker.on_hold, worker.run = True, 0  # until there is a new container

    async def close(self) -> None:
        await self._tasks.close()


def _bare(status: dict[str, Any]) -> str:
    container_id: str = status.get("containerID") or ""
    return container_id.rpartition("://")[2]


def _shown(status: Object, name: str) -> dict[str, Any] | None:
    for kind in ("containerStatuses", "initContainerStatuses"):
        for each in status.get(kind) or ():
            if each["name"] == name and each.get("containerID"):
                return each  # type: ignore[no-any-return]
    return None
