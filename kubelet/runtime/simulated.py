"""A runtime that runs nothing: containers start, answer probes and end as annotations and commands say.

It keeps CRI's rules (a container of a stopped sandbox cannot start, ids are unique, ends are remembered until removed) and
tells of every change by an event, so that an idle node costs nothing. Logs, exec, attach and port-forward are refused
plainly: there is no container. How to drive it: docs/simulated-runtime.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.rand import Random
from kubelet.runtime.addresses import AddressPool, PoolExhausted
from kubelet.runtime.behaviour import NEVER, Behaviour, behaviour_of, seconds, setting, unknown_keys
from kubelet.runtime.files import Files, PodFiles
from kubelet.runtime.interface import (
    ContainerConfig,
    ContainerRuntimeError,
    ContainerStats,
    ContainerStatus,
    DuplexStream,
    ExecResult,
    Image,
    LogOptions,
    NotFound,
    NotSupported,
    Remains,
    RuntimeEvent,
    RuntimeStatus,
    RuntimeVersion,
    SandboxConfig,
    SandboxStatus,
    StreamOptions,
)
from kubelet.runtime.programs import Program, exec_program, program_of, stops_with
from kubelet.runtime.simulated_images import SimulatedImages
from kubelet.runtime.simulated_network import Listening, SimulatedNetwork

NAME, VERSION = "simulated", "1.0.0"
KILLED = 137
FOR_EVER = 1e9  # seconds
NO_CONTAINER = (
    "container {name} of this simulated node does not really run, so it has no {what}; "
    "for real containers start a kubelet with a container runtime (see docs/simulated-runtime.md)"
)


@dataclass
class _Sandbox:
    status: SandboxStatus
    config: SandboxConfig
    files: PodFiles


@dataclass
class _Container:
    status: ContainerStatus  # replaced, never changed: what was handed out stays as it was
    config: ContainerConfig
    behaviour: Behaviour
    sandbox: _Sandbox
    files: Files
    program: Program | None = None
    timer: asyncio.TimerHandle | None = None
    stopped: asyncio.Event | None = None  # somebody waits for the end


class SimulatedRuntime:
    """One node's. `fallback_cidr`: where pod addresses come from until the node has a pod CIDR."""

    emits_events = True

    def __init__(self, clock: Clock, rand: Random, fallback_cidr: str) -> None:
        self._clock = clock
        self._rand = rand
        self._pools = [AddressPool(fallback_cidr)]
        self._cidr = ""
        self._sandboxes: dict[str, _Sandbox] = {}
        self._containers: dict[str, _Container] = {}
        self._by_pod: dict[str, tuple[list[str], list[str]]] = {}  # uid → ids of sandboxes and containers, oldest first
        self._images = SimulatedImages()
        self._network = SimulatedNetwork(self._listening)
        self._events: asyncio.Queue[RuntimeEvent] = asyncio.Queue()
        self._host_files: dict[str, str] = {}

    @property
    def network(self) -> SimulatedNetwork:
        return self._network

    async def version(self) -> RuntimeVersion:
        return RuntimeVersion(NAME, VERSION)

    async def status(self) -> RuntimeStatus:
        return RuntimeStatus()

    async def set_pod_cidr(self, cidr: str) -> None:
        if cidr and cidr != self._cidr:
            self._cidr = cidr
            self._pools.insert(0, AddressPool(cidr))

    def _id(self) -> str:
        return f"{self._rand.getrandbits(256):064x}"

    def _changed(self, uid: str) -> None:
        self._events.put_nowait(RuntimeEvent(uid))

    def _members(self, uid: str) -> tuple[list[str], list[str]]:
        return self._by_pod.setdefault(uid, ([], []))

    def _forget_empty(self, uid: str) -> None:
        members = self._by_pod.get(uid)
        if members is not None and not members[0] and not members[1]:
            del self._by_pod[uid]

    # Sandboxes

    async def run_sandbox(self, config: SandboxConfig) -> str:
        if refusal := setting(config.annotations, "sandbox-error"):
            raise ContainerRuntimeError(refusal)
        if wait := seconds(setting(config.annotations, "sandbox-seconds")):
            await asyncio.sleep(wait)
        try:
            ips = () if config.host_network else (self._pools[0].take(),)
        except PoolExhausted as error:
            raise ContainerRuntimeError(str(error)) from error
        status = SandboxStatus(
            id=self._id(),
            pod_uid=config.pod_uid,
            namespace=config.namespace,
            name=config.name,
            attempt=config.attempt,
            ready=True,
            created_at=self._clock.now(),
            ips=ips,
            host_network=config.host_network,
        )
        older = self._members(config.pod_uid)[0]
        files = self._sandboxes[older[-1]].files if older else PodFiles(self._host_files)
        self._sandboxes[status.id] = _Sandbox(status, config, files)
        older.append(status.id)
        self._changed(config.pod_uid)
        return status.id

    def adopt(self, remains: Remains) -> None:
        """A pod of the process before this one goes on where it was."""
        sandbox_id, uid = self._id(), remains.sandbox.pod_uid
        sandbox = _Sandbox(replace(remains.sandbox, id=sandbox_id), remains.config, PodFiles(self._host_files))
        self._sandboxes[sandbox_id] = sandbox
        self._members(uid)[0].append(sandbox_id)
        for ip in remains.sandbox.ips:
            for pool in self._pools:
                pool.reserve(ip)
        for status, config in remains.containers:
            behaviour = behaviour_of(remains.config.annotations, config.name)
            status = replace(status, sandbox_id=sandbox_id)
            container = _Container(status, config, behaviour, sandbox, sandbox.files.for_container(config))
            self._containers[status.id] = container
            self._members(uid)[1].append(status.id)
            self._images.have(status.image)
            if status.state == "running":
                self._go_on(container, self._clock.now() - status.started_at)

    def _go_on(self, container: _Container, elapsed: float) -> None:
        """Do what is left to do after `elapsed` seconds."""
        if container.behaviour.is_given:
            wait, code = container.behaviour.run_of(container.config.attempt)
            if wait != NEVER:
                container.timer = asyncio.get_running_loop().call_later(
                    max(wait - elapsed, 0), self._end, container, code
                )
            return
        container.program = program_of(container.config, container.files, self._rand)
        if container.program is None:
            return
        wait = 0.0
        while wait <= elapsed and wait != NEVER:
            elapsed -= wait
            left = container.program.advance()
            if left is None:
                self._end(container, container.program.exit_code)
                return
            wait = left
        if wait != NEVER:
            container.timer = asyncio.get_running_loop().call_later(wait - elapsed, self._step, container)

    async def stop_sandbox(self, sandbox_id: str) -> None:
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None or not sandbox.status.ready:
            return
        for container in list(self._containers.values()):
            if container.sandbox is sandbox and container.status.state == "running":
                self._end(container, KILLED)
        for ip in sandbox.status.ips:
            for pool in self._pools:
                pool.give_back(ip)
        sandbox.status = replace(sandbox.status, ready=False, ips=())
        self._changed(sandbox.status.pod_uid)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        await self.stop_sandbox(sandbox_id)
        sandbox = self._sandboxes.pop(sandbox_id, None)
        if sandbox is None:
            return
        for container in [each for each in self._containers.values() if each.sandbox is sandbox]:
            await self.remove_container(container.status.id)
        uid = sandbox.status.pod_uid
        self._members(uid)[0].remove(sandbox_id)
        self._forget_empty(uid)

    async def sandboxes(self, pod_uid: str = "") -> list[SandboxStatus]:
        if not pod_uid:
            return [each.status for each in reversed(self._sandboxes.values())]
        members = self._by_pod.get(pod_uid)
        return [self._sandboxes[each].status for each in reversed(members[0])] if members else []

    # Containers

    async def create_container(self, sandbox_id: str, config: ContainerConfig) -> str:
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None or not sandbox.status.ready:
            raise NotFound(f'failed to find sandbox id "{sandbox_id}"')
        if unknown := unknown_keys(sandbox.config.annotations):
            raise ContainerRuntimeError(unknown)
        behaviour = behaviour_of(sandbox.config.annotations, config.name)
        if behaviour.create_error:
            raise ContainerRuntimeError(behaviour.create_error)
        status = ContainerStatus(
            id=self._id(),
            sandbox_id=sandbox_id,
            pod_uid=sandbox.status.pod_uid,
            name=config.name,
            attempt=config.attempt,
            state="created",
            created_at=self._clock.now(),
            image=config.image,
            image_ref=config.image_ref,
            labels=config.labels,
            resources=config.resources,
            user=_user(config.security),
        )
        files = sandbox.files.for_container(config)
        self._containers[status.id] = _Container(status, config, behaviour, sandbox, files)
        self._members(status.pod_uid)[1].append(status.id)
        return status.id

    async def start_container(self, container_id: str) -> None:
        container = self._get(container_id)
        if container.behaviour.start_error:
            self._set(container, state="exited", exit_code=128, reason="StartError", finished_at=self._clock.now())
            raise ContainerRuntimeError(container.behaviour.start_error)
        if not container.sandbox.status.ready:
            raise ContainerRuntimeError(f'sandbox container "{container.status.sandbox_id}" is not running')
        self._set(container, state="running", started_at=self._clock.now())
        if container.behaviour.is_given:
            wait, code = container.behaviour.run_of(container.config.attempt)
            if wait != NEVER:
                container.timer = asyncio.get_running_loop().call_later(wait, self._end, container, code)
            return
        container.program = program_of(container.config, container.files, self._rand)
        if container.program is not None:
            self._step(container)

    def _step(self, container: _Container) -> None:
        """Let the program run until it waits or ends."""
        assert container.program is not None
        container.timer = None
        wait = container.program.advance()
        if wait is None:
            self._end(container, container.program.exit_code)
        elif wait != NEVER:
            container.timer = asyncio.get_running_loop().call_later(wait, self._step, container)

    def _end(self, container: _Container, code: int) -> None:
        if container.timer is not None:
            container.timer.cancel()
            container.timer = None
        if container.status.state != "running":
            return
        message = container.behaviour.message or self._termination_message(container, code)
        reason = "Completed" if code == 0 else "Error"
        now = self._clock.now()
        self._set(container, state="exited", exit_code=code, reason=reason, message=message, finished_at=now)
        container.program = None
        if container.stopped is not None:
            container.stopped.set()

    def _termination_message(self, container: _Container, code: int) -> str:
        """What the program wrote into the termination log, or the end of its output."""
        config = container.config
        written = container.files.read(config.termination_message_path)
        if not written and code and config.termination_message_policy == "FallbackToLogsOnError":
            written = container.program.output[-2048:] if container.program is not None else ""
        return written[:4096]

    async def stop_container(self, container_id: str, grace: float) -> None:
        container = self._get(container_id)
        if container.status.state != "running":
            if container.status.state == "created":
                self._set(container, state="exited", exit_code=KILLED, finished_at=self._clock.now())
            return
        wait, code = container.behaviour.stop_seconds, stops_with(container.config)
        if wait is not None and wait > grace:
            wait, code = grace, KILLED
        if not wait:
            self._end(container, code)
            return
        container.stopped = container.stopped or asyncio.Event()
        handle = asyncio.get_running_loop().call_later(wait, self._end, container, code)
        try:
            await container.stopped.wait()
        finally:
            handle.cancel()

    async def remove_container(self, container_id: str) -> None:
        container = self._containers.get(container_id)
        if container is None:
            return
        self._end(container, KILLED)
        del self._containers[container_id]
        uid = container.status.pod_uid
        self._members(uid)[1].remove(container_id)
        self._forget_empty(uid)
        self._changed(uid)

    async def update_resources(self, container_id: str, resources: Mapping[str, Mapping[str, str]]) -> None:
        container = self._get(container_id)
        self._set(container, resources=resources)

    async def containers(self, pod_uid: str = "") -> list[ContainerStatus]:
        if not pod_uid:
            return [each.status for each in reversed(self._containers.values())]
        members = self._by_pod.get(pod_uid)
        return [self._containers[each].status for each in reversed(members[1])] if members else []

    def _get(self, container_id: str) -> _Container:
        container = self._containers.get(container_id)
        if container is None:
            raise NotFound(f'container "{container_id}" not found')
        return container

    def _set(self, container: _Container, **changes: Any) -> None:
        container.status = replace(container.status, **changes)
        self._changed(container.status.pod_uid)

    # Images

    async def image(self, name: str) -> Image | None:
        return self._images.get(name)

    async def images(self) -> list[Image]:
        return self._images.all()

    async def pull_image(self, name: str, annotations: Mapping[str, str], credentials: Sequence[Any] = ()) -> Image:
        return await self._images.pull(name, annotations)

    async def remove_image(self, ref: str) -> None:
        self._images.remove(ref)

    # Looking and reaching in

    async def stats(self, pod_uid: str) -> list[ContainerStats]:
        """Made up, and small: a container uses a millicore and a few megabytes."""
        now = self._clock.now()
        return [
            ContainerStats(each.id, each.name, int((now - each.started_at) * 1_000_000), 4 << 20, each.started_at)
            for each in await self.containers(pod_uid)
            if each.state == "running"
        ]

    def _refuse(self, container_id: str, what: str) -> NoReturn:
        name = self._get(container_id).config.name
        raise NotSupported(NO_CONTAINER.format(name=f'"{name}"', what=what))

    def open_log(self, container_id: str, options: LogOptions) -> AsyncIterator[bytes]:
        self._refuse(container_id, "log")

    async def exec(self, container_id: str, options: StreamOptions) -> DuplexStream:
        self._refuse(container_id, "process to execute anything in")

    async def attach(self, container_id: str, options: StreamOptions) -> DuplexStream:
        self._refuse(container_id, "process to attach to")

    async def port_forward(self, sandbox_id: str, port: int) -> DuplexStream:
        raise NotSupported(
            NO_CONTAINER.format(name="", what="ports to forward to").replace("container  of", "the pod of")
        )

    def _listening(self, container_id: str) -> Listening:
        container = self._get(container_id)
        return Listening(container.config, container.behaviour, self._clock.now() - container.status.started_at)

    async def exec_sync(
        self, container_id: str, command: Sequence[str], timeout: float, purpose: str = ""
    ) -> ExecResult:
        container = self._get(container_id)
        verdict = container.behaviour.answers_well(purpose, self._clock.now() - container.status.started_at)
        if verdict is not None:
            return ExecResult(0 if verdict else 1, b"" if verdict else b"the simulator was told to fail")
        program = exec_program(command, container.config, container.files, self._rand)
        async with asyncio.timeout(timeout or None):
            wait = program.advance()
            while wait is not None:
                await asyncio.sleep(min(wait, FOR_EVER))  # the program's own waits, nothing is polled
                wait = program.advance()
        return ExecResult(program.exit_code, program.output.encode())

    async def events(self) -> AsyncIterator[RuntimeEvent]:
        while True:
            yield await self._events.get()

    async def aclose(self) -> None:
        for container in self._containers.values():
            if container.timer is not None:
                container.timer.cancel()


def _user(security: Mapping[str, Any]) -> Mapping[str, Any]:
    uid, gid = security.get("runAsUser") or 0, security.get("runAsGroup") or 0
    groups = list(dict.fromkeys([gid, *(security.get("supplementalGroups") or ())]))
    if (fs_group := security.get("fsGroup")) is not None and fs_group not in groups:
        groups.append(fs_group)
    return {"linux": {"uid": uid, "gid": gid, "supplementalGroups": groups}}
