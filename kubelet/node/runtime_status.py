"""What the runtime says of one pod, read once and then asked by pure functions (upstream kubecontainer.PodStatus)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from apiserver.apimachinery.objects import Object
from kubelet.node import facts
from kubelet.runtime.interface import ContainerRuntime, ContainerStatus, SandboxStatus

NO_SANDBOX = "no pod sandbox exists"
NOT_READY = "pod sandbox is not ready"
MANY_SANDBOXES = "multiple pod sandboxes are ready and need to be reconciled"
NETWORK_CHANGED = "network namespace mode changed and sandbox needs to be recreated"
NO_ADDRESS = "pod sandbox has no IP address"


@dataclass(frozen=True, slots=True)
class RuntimeStatus:
    """Sandboxes and containers, newest first. `kept_ips`: the pod's addresses when its sandbox has been stopped."""

    sandboxes: list[SandboxStatus] = field(default_factory=list)
    containers: list[ContainerStatus] = field(default_factory=list)
    kept_ips: tuple[str, ...] = ()

    @property
    def ips(self) -> tuple[str, ...]:
        return self.sandboxes[0].ips if self.sandboxes and self.sandboxes[0].ready else self.kept_ips

    @property
    def running(self) -> list[ContainerStatus]:
        return [each for each in self.containers if each.state == "running"]

    def find(self, name: str) -> ContainerStatus | None:
        """The newest container of that name."""
        return next((each for each in self.containers if each.name == name), None)

    def find_active(self, name: str) -> ContainerStatus | None:
        """The newest one of that name in the current sandbox."""
        if not self.sandboxes:
            return None
        current = self.sandboxes[0].id
        return next((each for each in self.containers if each.name == name and each.sandbox_id == current), None)


async def read(runtime: ContainerRuntime, uid: str) -> RuntimeStatus:
    return RuntimeStatus(await runtime.sandboxes(uid), await runtime.containers(uid))


def sandbox_needed(pod: Object, status: RuntimeStatus) -> str:
    """Why a new sandbox is needed; empty when the one there will do (upstream PodSandboxChanged)."""
    if not status.sandboxes:
        return NO_SANDBOX
    if sum(sandbox.ready for sandbox in status.sandboxes) > 1:
        return MANY_SANDBOXES
    newest = status.sandboxes[0]
    if not newest.ready:
        return NOT_READY
    if newest.host_network != facts.on_host_network(pod):
        return NETWORK_CHANGED
    if not newest.host_network and not newest.ips:
        return NO_ADDRESS
    return ""


def any_regular_created(pod: Object, status: RuntimeStatus) -> bool:
    found = (status.find(container["name"]) for container in facts.containers(pod))
    return any(each is not None and each.state != "unknown" for each in found)


def any_regular_active(pod: Object, status: RuntimeStatus) -> bool:
    """Whether a main container exists in the current sandbox: then the pod has been initialized."""
    return any(status.find_active(container["name"]) is not None for container in facts.containers(pod))


def should_start(container: dict[str, Any], pod: Object, status: RuntimeStatus) -> bool:
    """Whether a container that does not run has to (upstream ShouldContainerBeRestarted)."""
    if facts.is_deleted(pod):
        return False
    found = status.find(container["name"])
    if found is None or found.state in ("unknown", "created"):
        return True
    if found.state == "running":
        return False
    return facts.should_restart(container, pod["spec"], found.exit_code)


def restart_all_wanted(pod: Object, status: RuntimeStatus, api_status: Object | None) -> bool:
    """Whether the pod restarts in place: it says so already, or a container ended in a way its rule answers so."""
    for condition in (api_status or {}).get("conditions") or ():
        if condition["type"] == "AllContainersRestarting" and condition["status"] == "True":
            return True
    if not facts.may_restart_all(pod):
        return False
    for container in (*facts.init_containers(pod), *facts.containers(pod)):
        found = status.find(container["name"])
        if found is not None and found.state == "exited" and restarts_all(container, found.exit_code):
            return True
    return False


def restarts_all(container: dict[str, Any], exit_code: int) -> bool:
    rule = facts.matching_rule(container, exit_code)
    return rule is not None and rule.get("action") == "RestartAllContainers"


def restart_all_done(pod: Object, status: RuntimeStatus) -> bool:
    """Whether the containers of the previous round are gone."""
    return not any(status.find(c["name"]) for c in (*facts.init_containers(pod), *facts.containers(pod)))
