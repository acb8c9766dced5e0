"""Brings one pod's sandbox and containers where its spec wants them (upstream kuberuntime SyncPod, startContainer)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from kubelet.node import facts, runtime_status
from kubelet.node.actions import Actions, KillReason, Resizes, Results, compute
from kubelet.node.api_status import Waiting
from kubelet.node.backoff import CRASH_EXPIRY, Backoff
from kubelet.node.container_config import MountsOf, container_config, sandbox_config
from kubelet.node.context import NORMAL, WARNING, NodeContext
from kubelet.node.environment import ConfigError, Sources
from kubelet.node.hooks import HookFailed, run_hook
from kubelet.node.images import ImageError, Images, go_duration
from kubelet.node.killing import Killer
from kubelet.node.runtime_status import RuntimeStatus
from kubelet.runtime.interface import ContainerRuntimeError, NotFound

log = logging.getLogger(__name__)

KEPT_DEAD = 1  # dead containers kept of a name, for their logs and last state (upstream MaxPerPodContainerCount)


class StartError(Exception):
    """A container was not started."""

    def __init__(self, reason: str, message: str, until: float = 0.0) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.until = until


@dataclass
class Outcome:
    """What a round did. `reasons`: by container, None for one that was started; `until`: the earliest end of a back-off."""

    reasons: dict[str, Waiting | None] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    until: float = 0.0
    was_reset: bool = False
    changed: bool = False

    def failed(self, error: StartError, container: str) -> None:
        self.reasons[container] = Waiting(error.reason, error.message)
        self.errors.append(str(error))
        if error.until and (not self.until or error.until < self.until):
            self.until = error.until


class PodRunner:
    """One node's. `on_sandbox_ready` is told when a new sandbox stands, before images are pulled."""

    def __init__(
        self, context: NodeContext, images: Images, killer: Killer, sources: Sources, results: Results, resizes: Resizes
    ) -> None:
        self._context = context
        self._images = images
        self._killer = killer
        self._sources = sources
        self._results = results
        self._resizes = resizes
        self._backoff = Backoff(context.clock, expiry=CRASH_EXPIRY)

    def forget(self, uid: str) -> None:
        self._backoff.forget(uid)
        self._images.forget(uid)

    async def sync(
        self,
        pod: Object,
        status: RuntimeStatus,
        *,
        restart_all: bool,
        mounts: MountsOf,
        on_sandbox_ready: Callable[[], Awaitable[None]],
    ) -> Outcome:
        actions = compute(pod, status, self._results, self._resizes, restart_all=restart_all)
        outcome = Outcome()
        try:
            await self._clear(pod, status, actions, outcome)
            sandbox, ips = await self._sandbox(pod, status, actions, outcome, on_sandbox_ready)
            await self._update(pod, actions, outcome)
        except ContainerRuntimeError as error:
            outcome.errors.append(str(error))
            return outcome
        if sandbox:
            starter = _Starter(self._context, self._images, self._killer, self._sources, self._backoff, self._resizes)
            await self._start_all(_Round(pod, status, sandbox, ips, mounts, outcome, starter), actions)
        return outcome

    async def _clear(self, pod: Object, status: RuntimeStatus, actions: Actions, outcome: Outcome) -> None:
        """Kill and remove what has to go."""
        runtime = self._context.runtime
        if actions.kill_pod:
            if actions.create_sandbox and status.sandboxes:
                message = "Pod sandbox changed, it will be killed and re-created."
                self._context.event(pod, NORMAL, "SandboxChanged", message)
            await self._killer.kill_pod(pod, status)
            outcome.changed = bool(status.running) or any(each.ready for each in status.sandboxes)
            if actions.create_sandbox:
                names = {container["name"] for container in facts.init_containers(pod)}
                for found in status.containers:
                    if found.name in names:
                        await runtime.remove_container(found.id)
            return
        for kill in actions.kill:
            await self._killer.kill(pod, kill.status, message=kill.message, reason=kill.reason)
            outcome.changed = True
        for found in actions.reset:
            if found.state == "running":
                await self._killer.kill(pod, found, message="killing", grace=0)
            await runtime.remove_container(found.id)
            outcome.was_reset = True

    async def _sandbox(
        self,
        pod: Object,
        status: RuntimeStatus,
        actions: Actions,
        outcome: Outcome,
        on_sandbox_ready: Callable[[], Awaitable[None]],
    ) -> tuple[str, Sequence[str]]:
        """(id, addresses) of the sandbox to start containers in; no id when there is none and none is made."""
        if not actions.create_sandbox:
            return (status.sandboxes[0].id, status.ips) if status.sandboxes and not actions.kill_pod else ("", ())
        try:
            sandbox = await self._context.runtime.run_sandbox(sandbox_config(pod, actions.attempt))
        except ContainerRuntimeError as error:
            self._context.event(pod, WARNING, "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
            raise
        outcome.changed = True
        found = await self._context.runtime.sandboxes(facts.uid_of(pod))
        ips = next((each.ips for each in found if each.id == sandbox), ())
        await on_sandbox_ready()
        return sandbox, ips or (self._context.host_ips if facts.on_host_network(pod) else ())

    async def _update(self, pod: Object, actions: Actions, outcome: Outcome) -> None:
        """Resources of running containers, in place."""
        for found in actions.update:
            container = facts.container_named(pod, found.name) or {}
            await self._context.runtime.update_resources(found.id, container.get("resources") or {})
            self._resizes.actuated(facts.uid_of(pod), container)
            outcome.changed = True

    async def _start_all(self, round: _Round, actions: Actions) -> None:
        """Ephemeral containers whatever else happens, init containers until one fails, then the main ones."""
        for name in actions.start_ephemeral:
            await round.start(name)
        for name in actions.start_init:
            container = facts.container_named(round.pod, name) or {}
            if not await round.start(name) and not facts.is_sidecar(container):
                return
        for name in actions.start:
            await round.start(name)


@dataclass
class _Round:
    """Starting containers of one pod, once around."""

    pod: Object
    status: RuntimeStatus
    sandbox: str
    ips: Sequence[str]
    mounts: MountsOf
    outcome: Outcome
    starter: _Starter

    async def start(self, name: str) -> bool:
        container = facts.container_named(self.pod, name) or {"name": name}
        try:
            await self.starter.start(self, container)
        except StartError as error:
            self.outcome.failed(error, name)
            return False
        self.outcome.reasons[name] = None
        self.outcome.changed = True
        return True


class _Starter:
    """Pull, create, start, postStart."""

    def __init__(
        self,
        context: NodeContext,
        images: Images,
        killer: Killer,
        sources: Sources,
        backoff: Backoff,
        resizes: Resizes,
    ) -> None:
        self._context = context
        self._images = images
        self._killer = killer
        self._sources = sources
        self._backoff = backoff
        self._resizes = resizes

    async def start(self, round: _Round, container: dict[str, Any]) -> None:
        """Raises StartError."""
        pod, name = round.pod, container["name"]
        self._check_backoff(pod, container, round.status)
        image = await self._image(pod, container)
        container_id = await self._create(round, container, image)
        self._resizes.actuated(facts.uid_of(pod), container)
        self._context.event(pod, NORMAL, "Created", "Container created", container=name)
        try:
            await self._context.runtime.start_container(container_id)
        except ContainerRuntimeError as error:
            raise self._fail(pod, name, "RunContainerError", str(error)) from error
        self._context.event(pod, NORMAL, "Started", "Container started", container=name)
        if round.status.find(name) is not None:
            await self._remove_old(pod, name)
        if hook := (container.get("lifecycle") or {}).get("postStart"):
            await self._post_start(pod, container, container_id, hook)

    def _fail(self, pod: Object, name: str, reason: str, message: str) -> StartError:
        self._context.event(pod, WARNING, "Failed", f"Error: {message}", container=name)
        return StartError(reason, message)

    def _check_backoff(self, pod: Object, container: dict[str, Any], status: RuntimeStatus) -> None:
        """A container that ended waits before it runs again (upstream doBackOff)."""
        name = container["name"]
        ended = next((each for each in status.containers if each.name == name and each.state == "exited"), None)
        if ended is None:
            return
        key = f"{facts.uid_of(pod)}_{name}_{container.get('image')}"
        until = self._backoff.until(key, ended.finished_at)
        if until:
            shown = facts.full_name(pod)
            message = f"Back-off restarting failed container {name} in pod {shown}"
            self._context.event(pod, WARNING, "BackOff", message, container=name)
            wait = go_duration(self._backoff.wait(key))
            why = f"back-off {wait} restarting failed container={name} pod={shown}"
            raise StartError("CrashLoopBackOff", why, until)
        self._backoff.failed(key, ended.finished_at)

    async def _image(self, pod: Object, container: dict[str, Any]) -> str:
        try:
            return await self._images.ensure(pod, container)
        except ImageError as error:
            self._context.event(pod, WARNING, "Failed", f"Error: {error.reason}", container=container["name"])
            raise StartError(error.reason, error.message, error.until) from error

    async def _create(self, round: _Round, container: dict[str, Any], image: str) -> str:
        pod, name = round.pod, container["name"]
        before = round.status.find(name)
        target = container.get("targetContainerName")
        if target and round.status.find(target) is None:
            why = f"unable to find target container {target}"
            raise self._fail(pod, name, "CreateContainerConfigError", why)
        try:
            config = await container_config(
                self._context,
                pod,
                container,
                self._sources,
                attempt=before.attempt + 1 if before is not None else 0,
                image_ref=image,
                pod_ips=round.ips,
                mounts=round.mounts,
            )
        except (ConfigError, StatusError, ConnectionError, TimeoutError) as error:
            raise self._fail(pod, name, "CreateContainerConfigError", str(error)) from error
        try:
            return await self._context.runtime.create_container(round.sandbox, config)
        except ContainerRuntimeError as error:
            raise self._fail(pod, name, "CreateContainerError", str(error)) from error

    async def _post_start(
        self, pod: Object, container: dict[str, Any], container_id: str, hook: dict[str, Any]
    ) -> None:
        name = container["name"]
        try:
            await run_hook(self._context, pod, container, container_id, hook)
        except HookFailed as error:
            self._context.event(pod, WARNING, "FailedPostStartHook", "PostStartHook failed", container=name)
            found = (await runtime_status.read(self._context.runtime, facts.uid_of(pod))).find(name)
            if found is not None and found.state == "running":
                reason = KillReason.POST_START
                await self._killer.kill(pod, found, message="FailedPostStartHook", reason=reason)
            raise StartError("PostStartHookError", str(error)) from error

    async def _remove_old(self, pod: Object, name: str) -> None:
        """Keep what shows the last end, remove what came before."""
        found = await self._context.runtime.containers(facts.uid_of(pod))
        of_name = [each for each in found if each.name == name]
        for each in of_name[1 + KEPT_DEAD :]:
            try:
                await self._context.runtime.remove_container(each.id)
            except NotFound:
                log.info("container to remove is gone", extra={"container": name})
