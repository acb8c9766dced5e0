"""Ending containers: hooks, grace, and the order of sidecars (upstream kuberuntime killContainer, terminationOrdering)."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.tasks import TaskOwner
from kubelet.node import facts
from kubelet.node.actions import KillReason
from kubelet.node.context import NORMAL, WARNING, NodeContext
from kubelet.node.hooks import HookFailed, run_hook
from kubelet.node.runtime_status import RuntimeStatus
from kubelet.runtime.interface import ContainerRuntimeError, ContainerStatus, NotFound

log = logging.getLogger(__name__)

MINIMUM_GRACE = 2.0  # seconds; upstream minimumGracePeriodInSeconds


class TerminationOrder:
    """Main containers end first, then sidecars, the last one first."""

    def __init__(self, pod: Object, running: list[str]) -> None:
        self._ended: dict[str, asyncio.Event] = {}
        self._before: dict[str, list[asyncio.Event]] = {}
        main = [self._watch(container["name"], running) for container in facts.containers(pod)]
        later: asyncio.Event | None = None
        for container in reversed(facts.init_containers(pod)):
            ended = self._watch(container["name"], running)
            if facts.is_sidecar(container):
                self._before[container["name"]] = [*main, *([later] if later is not None else [])]
                later = ended

    def _watch(self, name: str, running: list[str]) -> asyncio.Event:
        event = self._ended[name] = asyncio.Event()
        if name not in running:
            event.set()
        return event

    async def wait_turn(self, name: str, grace: float) -> None:
        """Return when those that go first have ended, or after `grace` seconds."""
        try:
            async with asyncio.timeout(grace):
                for event in self._before.get(name, ()):
                    await event.wait()
        except TimeoutError:
            log.info("turn to end not waited for any longer", extra={"container": name})

    def ended(self, name: str) -> None:
        if event := self._ended.get(name):
            event.set()


class Killer:
    """Ends containers and whole pods."""

    def __init__(self, context: NodeContext) -> None:
        self._context = context

    async def kill_pod(self, pod: Object, status: RuntimeStatus, grace: float | None = None) -> None:
        """Every container, then the sandboxes. Raises ContainerRuntimeError when something would not end."""
        running = status.running
        order = None
        if any(map(facts.is_sidecar, facts.init_containers(pod))):
            order = TerminationOrder(pod, [each.name for each in running])
        if len(running) == 1:
            await self.kill(pod, running[0], grace=grace, order=order)
        elif running:
            await self._kill_all(pod, running, grace, order)
        for sandbox in status.sandboxes:
            if sandbox.ready:
                await self._context.runtime.stop_sandbox(sandbox.id)

    async def _kill_all(
        self, pod: Object, running: list[ContainerStatus], grace: float | None, order: TerminationOrder | None
    ) -> None:
        tasks = TaskOwner(f"killing {facts.full_name(pod)}")
        try:
            kills = [
                tasks.create_task(self.kill(pod, each, grace=grace, order=order), name=f"kill-{each.name}")
                for each in running
            ]
            for error in await asyncio.gather(*kills, return_exceptions=True):
                if isinstance(error, BaseException):
                    raise error
        finally:
            await tasks.close()

    async def kill(
        self,
        pod: Object,
        found: ContainerStatus,
        *,
        message: str = "",
        reason: KillReason = KillReason.OTHER,
        grace: float | None = None,
        order: TerminationOrder | None = None,
    ) -> None:
        """One container: preStop, its turn, stop. `grace` overrides what pod and probe say."""
        container = facts.container_named(pod, found.name)
        if container is None:
            raise ContainerRuntimeError(
                f'failed to get containerSpec "{found.name}" (id="{found.id}") in pod "{facts.full_name(pod)}"'
                f' when killing container for reason "{message}"'
            )
        left = grace_of(pod, container, reason) if grace is None else grace
        shown = message or f"Stopping container {found.name}"
        self._context.event(pod, NORMAL, "Killing", shown, container=found.name)
        loop = asyncio.get_running_loop()
        if (container.get("lifecycle") or {}).get("preStop") and left > 0:
            began = loop.time()
            await self._pre_stop(pod, container, found.id, left)
            left -= int(loop.time() - began)  # whole seconds, as upstream counts them
        if order is not None and left > 0:
            began = loop.time()
            await order.wait_turn(found.name, left)
            left -= int(loop.time() - began)
        try:
            await self._context.runtime.stop_container(found.id, max(left, MINIMUM_GRACE))
        except NotFound:
            log.info("container to stop is gone", extra={"container": found.name})
        if order is not None:
            order.ended(found.name)

    async def _pre_stop(self, pod: Object, container: dict[str, Any], container_id: str, grace: float) -> None:
        try:
            async with asyncio.timeout(grace):
                await run_hook(self._context, pod, container, container_id, container["lifecycle"]["preStop"])
        except TimeoutError:
            log.info("preStop hook not done in time", extra={"container": container["name"]})
        except HookFailed as error:
            log.info("preStop hook failed", extra={"container": container["name"], "error": str(error)})
            self._context.event(pod, WARNING, "FailedPreStopHook", "PreStopHook failed", container=container["name"])


def grace_of(pod: Object, container: dict[str, Any], reason: KillReason) -> float:
    """Seconds a container gets to end (upstream setTerminationGracePeriod)."""
    deletion = pod["metadata"].get("deletionGracePeriodSeconds")
    if deletion is not None:
        return float(deletion)
    own = pod["spec"].get("terminationGracePeriodSeconds")
    if own is None:
        return MINIMUM_GRACE
    probe = {KillReason.STARTUP: "startupProbe", KillReason.LIVENESS: "livenessProbe"}.get(reason)
    of_probe = (container.get(probe) or {}).get("terminationGracePeriodSeconds") if probe else None
    return float(own if of_probe is None else of_probe)
