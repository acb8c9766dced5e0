"""What has to be done to bring a pod's containers where its spec wants them (upstream kuberuntime computePodActions)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, Protocol
from zlib import crc32

from apiserver.apimachinery.objects import Object
from kubelet.node import facts, runtime_status
from kubelet.node.runtime_status import RuntimeStatus
from kubelet.runtime.interface import ContainerStatus

HASH_LABEL = "io.kubernetes.container.hash"


class KillReason(Enum):
    OTHER = ""
    LIVENESS = "livenessProbe"
    STARTUP = "startupProbe"
    POST_START = "postStart"
    RESIZE = "resize"


class Kill(NamedTuple):
    status: ContainerStatus
    message: str
    reason: KillReason


class Results(Protocol):
    """What the probes have found: True, False, or None when nothing is known."""

    def alive(self, container_id: str) -> bool | None: ...

    def started(self, container_id: str) -> bool | None: ...


@dataclass
class Actions:
    """`start*` are names, in order. `kill_pod`: stop everything, the sandbox too."""

    sandbox_reason: str = ""  # why a new sandbox is made; empty for none
    kill_pod: bool = False
    create_sandbox: bool = False
    attempt: int = 0
    start_ephemeral: list[str] = field(default_factory=list)
    start_init: list[str] = field(default_factory=list)
    start: list[str] = field(default_factory=list)
    kill: list[Kill] = field(default_factory=list)
    reset: list[ContainerStatus] = field(default_factory=list)  # removed, for a restart of all in place
    update: list[ContainerStatus] = field(default_factory=list)  # get new resources while they run


class ResizeNeed(Enum):
    NONE = "none"
    UPDATE = "update"
    RESTART = "restart"


class Resizes(Protocol):
    """How what a container has differs from what it was given."""

    def need(self, container: dict[str, Any], status: ContainerStatus) -> ResizeNeed: ...

    def actuated(self, uid: str, container: dict[str, Any]) -> None:
        """The runtime has been told of a container's resources."""
        ...


def spec_hash(container: dict[str, Any]) -> str:
    """Changes when a running container has to be replaced."""
    return f"{crc32(repr((container['name'], container.get('image'))).encode()):x}"


def _changed(container: dict[str, Any], status: ContainerStatus) -> bool:
    known = status.labels.get(HASH_LABEL)
    return known is not None and known != spec_hash(container)


def _pod_restarts(pod: Object) -> bool:
    policy: str = pod["spec"].get("restartPolicy") or "Always"
    return policy != "Never"


def compute(pod: Object, status: RuntimeStatus, results: Results, resizes: Resizes, *, restart_all: bool) -> Actions:
    reason = runtime_status.sandbox_needed(pod, status)
    attempt = status.sandboxes[0].attempt if status.sandboxes else 0
    actions = Actions(
        sandbox_reason=reason,
        kill_pod=bool(reason),
        create_sandbox=bool(reason),
        attempt=attempt + 1 if reason and status.sandboxes else attempt,
    )
    if restart_all:
        actions.reset = _to_reset(pod, status)
        return actions
    if reason:
        _start_over(pod, status, actions)
        return actions
    for container in facts.ephemeral_containers(pod):
        if status.find(container["name"]) is None:  # never started twice
            actions.start_ephemeral.append(container["name"])
    initialized = _InitActions(pod, status, results, resizes, actions).compute()
    if actions.kill_pod or not initialized:
        return actions
    _main(pod, status, results, resizes, actions)
    return actions


def _to_reset(pod: Object, status: RuntimeStatus) -> list[ContainerStatus]:
    """Everything, in reverse; the containers whose end asked for it come last."""
    sources: list[ContainerStatus] = []
    others: list[ContainerStatus] = []
    for container in (*facts.containers(pod), *facts.init_containers(pod)):
        for found in status.containers:
            if found.name == container["name"]:
                ended = found.state == "exited" and runtime_status.restarts_all(container, found.exit_code)
                (sources if ended else others).append(found)
    return others + sources


def _start_over(pod: Object, status: RuntimeStatus, actions: Actions) -> None:
    if not _pod_restarts(pod) and actions.attempt and status.containers:
        actions.create_sandbox = False  # it has run and will not run again
        return
    to_start = [each["name"] for each in facts.containers(pod) if not _done_for_good(pod, each, status)]
    if not to_start and runtime_status.any_regular_created(pod, status):
        actions.create_sandbox = False
        return
    if inits := facts.init_containers(pod):
        actions.start_init = [inits[0]["name"]]
        return
    actions.start = to_start


def _done_for_good(pod: Object, container: dict[str, Any], status: RuntimeStatus) -> bool:
    policy = container.get("restartPolicy") or pod["spec"].get("restartPolicy")
    found = status.find(container["name"])
    return policy == "OnFailure" and found is not None and found.state == "exited" and found.exit_code == 0


def _main(pod: Object, status: RuntimeStatus, results: Results, resizes: Resizes, actions: Actions) -> None:
    kept = 0
    for container in facts.containers(pod):
        found = status.find(container["name"])
        if found is None or found.state != "running":
            if runtime_status.should_start(container, pod, status):
                actions.start.append(container["name"])
                if found is not None and found.state == "unknown":
                    why = 'Container is in "unknown" state, try killing it before restart'
                    actions.kill.append(Kill(found, why, KillReason.OTHER))
            continue
        kept += not _replace(pod, container, found, results, resizes, actions)
    if not kept and not actions.start:
        actions.kill_pod = True
        actions.start_init = []


def _replace(
    pod: Object, container: dict[str, Any], found: ContainerStatus, results: Results, resizes: Resizes, actions: Actions
) -> bool:
    """Decide about a running container; True when it is not simply kept."""
    name = container["name"]
    policy = container.get("restartPolicy")
    restart = policy != "Never" if policy else _pod_restarts(pod)
    reason = KillReason.OTHER
    if _changed(container, found):
        message, restart = f"Container {name} definition changed", True
    elif results.alive(found.id) is False:
        message, reason = f"Container {name} failed liveness probe", KillReason.LIVENESS
    elif results.started(found.id) is False:
        message, reason = f"Container {name} failed startup probe", KillReason.STARTUP
    else:
        return _resize(container, found, resizes, actions, actions.start)
    if restart:
        message += ", will be restarted"
        actions.start.append(name)
    actions.kill.append(Kill(found, message, reason))
    return True


def _resize(
    container: dict[str, Any], found: ContainerStatus, resizes: Resizes, actions: Actions, start: list[str]
) -> bool:
    need = resizes.need(container, found)
    if need is ResizeNeed.UPDATE:
        actions.update.append(found)
    if need is not ResizeNeed.RESTART:
        return False
    message = f"Container {container['name']} resize requires restart"
    actions.kill.append(Kill(found, message, KillReason.RESIZE))
    start.append(container["name"])
    return True


class _InitActions:
    """Init containers, from the last to the first: what the latest known one says decides about the rest."""

    def __init__(
        self, pod: Object, status: RuntimeStatus, results: Results, resizes: Resizes, actions: Actions
    ) -> None:
        self._pod, self._status = pod, status
        self._results, self._resizes = results, resizes
        self._actions = actions
        self._inits = facts.init_containers(pod)
        self._initialized = runtime_status.any_regular_active(pod, status)

    def compute(self) -> bool:
        """Fill in `start_init` and `kill`; whether the pod has been initialized."""
        if not self._inits:
            return True
        previous = self._initialized  # whether the one looked at was passed before
        for i in reversed(range(len(self._inits))):
            container = self._inits[i]
            found = self._status.find_active(container["name"])
            if found is None:
                if previous and facts.is_sidecar(container):
                    self._start(i)
                continue
            if previous and not facts.is_sidecar(container):
                continue
            if not self._look_at(i, container, found, previous):
                return False
            previous = True
        if not previous:
            self._start(0)
        self._actions.start_init.reverse()
        return self._initialized

    def _start(self, i: int) -> None:
        self._actions.start_init.append(self._inits[i]["name"])

    def _passed(self, i: int, *, previous: bool = False) -> None:
        """The one at `i` is initialized: the next one's turn."""
        if i == len(self._inits) - 1:
            self._initialized = True
        elif not previous:
            self._start(i + 1)

    def _look_at(self, i: int, container: dict[str, Any], found: ContainerStatus, previous: bool) -> bool:
        """False when the pod has failed for good."""
        if found.state == "created":
            self._start(i)  # it could not be started: again
        elif found.state == "running":
            if facts.is_sidecar(container):
                self._running_sidecar(i, container, found, previous)
            else:
                self._resize_running(container, found)
        elif found.state == "exited":
            return self._ended(i, container, found)
        else:
            return self._lost(i, container, found)
        return True

    def _resize_running(self, container: dict[str, Any], found: ContainerStatus) -> bool:
        return _resize(container, found, self._resizes, self._actions, self._actions.start_init)

    def _running_sidecar(self, i: int, container: dict[str, Any], found: ContainerStatus, previous: bool) -> None:
        name = container["name"]
        if container.get("startupProbe"):
            started = self._results.started(found.id)
            if started is False:
                self._kill(found, f"Init container {name} failed startup probe", KillReason.STARTUP)
                self._start(i)
            if started is not True:
                return
        self._passed(i, previous=previous)
        if _changed(container, found):
            self._kill(found, f"Init container {name} definition changed", KillReason.OTHER)
            self._start(i)
        elif container.get("livenessProbe") and self._results.alive(found.id) is False:
            self._kill(found, f"Init container {name} failed liveness probe", KillReason.LIVENESS)
            self._start(i)
        else:
            self._resize_running(container, found)

    def _kill(self, found: ContainerStatus, message: str, reason: KillReason) -> None:
        self._actions.kill.append(Kill(found, message, reason))

    def _ended(self, i: int, container: dict[str, Any], found: ContainerStatus) -> bool:
        if facts.is_sidecar(container):
            self._start(i)
        elif found.exit_code == 0:
            self._passed(i)
        elif runtime_status.should_start(container, self._pod, self._status):
            self._start(i)
        else:
            return self._give_up()
        return True

    def _lost(self, i: int, container: dict[str, Any], found: ContainerStatus) -> bool:
        policy = container.get("restartPolicy")
        restarts = policy != "Never" if policy else _pod_restarts(self._pod)
        if not restarts:
            return self._give_up()
        self._kill(found, 'Init container is in "unknown" state, try killing it before restart', KillReason.OTHER)
        self._start(i)
        return True

    def _give_up(self) -> bool:
        self._actions.kill_pod = True
        self._actions.start_init = []
        return False
