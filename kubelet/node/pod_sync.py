"""The steps of a pod's life: set up and kept up, brought down, cleared away (upstream SyncPod, SyncTerminatingPod, …)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from apiserver.apimachinery.objects import Object
from kubelet.node import conditions, facts, runtime_status
from kubelet.node.allocation import Allocations
from kubelet.node.api_status import Eviction, View, Waiting, generate
from kubelet.node.context import NORMAL, WARNING, NodeContext
from kubelet.node.deadline import EXCEEDED, seconds_left
from kubelet.node.environment import Sources
from kubelet.node.images import Images
from kubelet.node.killing import Killer
from kubelet.node.pod_runner import Outcome, PodRunner
from kubelet.node.pod_workers import StepFailed, SyncResult
from kubelet.node.prober.manager import ProbeManager
from kubelet.node.runtime_status import RuntimeStatus
from kubelet.node.status_manager import StatusManager
from kubelet.node.volumes.manager import Interrupted, VolumeManager, VolumesNotReady

log = logging.getLogger(__name__)


class PodSync:
    """One node's; the workers call it, one step of a pod at a time."""

    def __init__(
        self,
        context: NodeContext,
        statuses: StatusManager,
        probes: ProbeManager,
        volumes: VolumeManager,
        sources: Sources,
        allocations: Allocations,
        mirror: Callable[[Object], Awaitable[None]],
    ) -> None:
        self._context = context
        self._statuses = statuses
        self._probes = probes
        self._volumes = volumes
        self._killer = Killer(context)
        self._runner = PodRunner(context, Images(context), self._killer, sources, probes, allocations)
        self._allocations = allocations
        self._mirror = mirror
        self._reasons: dict[str, dict[str, Waiting]] = {}  # uid → container → why it is not started

    def _generate(
        self,
        pod: Object,
        runtime: RuntimeStatus,
        *,
        is_terminal: bool = False,
        verdict: Eviction | None = None,
    ) -> Object:
        view = View(
            runtime=runtime,
            old=self._statuses.old_status(pod),
            host_ips=self._context.host_ips,
            runtime_name=self._context.runtime_name,
            reasons=self._reasons.get(facts.uid_of(pod)) or {},
            resize_conditions=self._allocations.conditions(facts.uid_of(pod)),
            verdict=verdict,
        )
        return generate(pod, view, self._probes, is_terminal=is_terminal)

    async def sync(self, pod: Object, stop: asyncio.Event) -> SyncResult:
        runtime = await runtime_status.read(self._context.runtime, facts.uid_of(pod))
        self._allocations.observe(pod, runtime)
        left = seconds_left(pod, self._statuses.old_status(pod), self._context.clock.now())
        exceeded = EXCEEDED if left is not None and left <= 0 else None
        shown = self._statuses.set(pod, self._generate(pod, runtime, verdict=exceeded))
        if exceeded is not None:
            self._context.event(pod, NORMAL, exceeded.reason, exceeded.message)
        if shown.get("phase") in facts.TERMINAL:
            return SyncResult(terminal=True, verdict=exceeded)
        if facts.is_static(pod):
            await self._mirror(pod)
        try:
            await self._volumes.wait_ready(pod, stop)
        except Interrupted:
            return SyncResult()
        except VolumesNotReady as error:
            raise StepFailed(f"unable to mount volumes: {error}") from error
        self._probes.add_pod(pod)
        outcome = await self._runner.sync(
            pod,
            runtime,
            restart_all=conditions.is_true(shown.get("conditions"), conditions.RESTARTING_ALL),
            mounts=self._volumes.mounts,
            on_sandbox_ready=lambda: self._sandbox_ready(pod),
        )
        await self._take(pod, outcome)
        if outcome.errors:
            raise StepFailed("; ".join(outcome.errors), outcome.until)
        left = seconds_left(pod, shown, self._context.clock.now())
        return SyncResult(again=outcome.was_reset, within=left)

    async def _sandbox_ready(self, pod: Object) -> None:
        """The pod's address is known before its images are there (upstream OnPodSandboxReady)."""
        runtime = await runtime_status.read(self._context.runtime, facts.uid_of(pod))
        self._statuses.set(pod, self._generate(pod, runtime))

    async def _take(self, pod: Object, outcome: Outcome) -> None:
        """Remember why containers were not started, and show it."""
        uid = facts.uid_of(pod)
        known = self._reasons.setdefault(uid, {})
        news = False
        for name, reason in outcome.reasons.items():
            if reason is None:
                known.pop(name, None)
            elif known.get(name) != reason:
                known[name], news = reason, True
        if not known:
            self._reasons.pop(uid, None)
        if news:
            await self._sandbox_ready(pod)

    async def sync_terminating(self, pod: Object, grace: float, verdict: Eviction | None) -> None:
        uid = facts.uid_of(pod)
        runtime = await runtime_status.read(self._context.runtime, uid)
        self._statuses.set(pod, self._generate(pod, runtime, verdict=verdict))
        self._probes.stop_liveness_and_startup(pod)
        try:
            await self._killer.kill_pod(pod, runtime, grace)
        except Exception as error:
            self._context.event(pod, WARNING, "FailedKillPod", f"error killing pod: {error}")
            raise
        self._probes.remove_pod(uid)
        stopped = await runtime_status.read(self._context.runtime, uid)
        if stopped.running:
            ids = " ".join(each.id for each in stopped.running)
            raise StepFailed(f"detected running containers after a successful KillPod, CRI violation: [{ids}]")
        stopped = _with_ips_of(stopped, runtime)
        self._statuses.set(pod, self._generate(pod, stopped, is_terminal=True, verdict=verdict))

    async def sync_terminated(self, pod: Object) -> None:
        """Volumes go, and the pod's last status with the word that it is the last."""
        self._volumes.forget(facts.uid_of(pod))
        self._statuses.terminate(pod)

    async def clean_up(self, uid: str) -> None:
        """The pod is gone from its source: nothing of it is kept."""
        self._reasons.pop(uid, None)
        self._runner.forget(uid)
        self._volumes.forget(uid)
        runtime = self._context.runtime
        found = await runtime_status.read(runtime, uid)
        for container in found.containers:
            await runtime.remove_container(container.id)
        for sandbox in found.sandboxes:
            await runtime.remove_sandbox(sandbox.id)


def _with_ips_of(stopped: RuntimeStatus, before: RuntimeStatus) -> RuntimeStatus:
    """A pod keeps showing the address it had (upstream preserveDataFromBeforeStopping)."""
    return RuntimeStatus(stopped.sandboxes, stopped.containers, before.ips)
