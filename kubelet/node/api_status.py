"""The status of a pod as the API shows it, from what the runtime says and what was shown before.

Pure: mirrors upstream kubelet_pods.go (generateAPIPodStatus, convertToAPIContainerStatuses) without its I/O.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.objects import Object
from kubelet.node import conditions, facts, runtime_status
from kubelet.node.phase import FAILED, RESTARTING_ALL, get_phase
from kubelet.node.resources import pod_limits, pod_requests
from kubelet.node.runtime_status import RuntimeStatus
from kubelet.runtime.interface import ContainerStatus

Status = dict[str, Any]
CREATING, INITIALIZING = "ContainerCreating", "PodInitializing"
UNKNOWN = "ContainerStatusUnknown"
GONE = "The container could not be located when the pod was terminated"
GONE_BEFORE = "The container could not be located when the pod was deleted.  The container used to be Running"
KILLED = 137
INIT_LOST = "Unable to get init container status from container runtime and pod has been initialized, treat it as exited normally"
RESET = "The container is removed because RestartAllContainers in place"


class Waiting(NamedTuple):
    """Why a container could not be started, as its waiting state says it."""

    reason: str
    message: str = ""


class Eviction(NamedTuple):
    """A verdict of the node about a pod that overrides what its containers say; `disruption` is the reason for that condition."""

    reason: str
    message: str
    disruption: str = ""


@dataclass(frozen=True)
class View:
    """What a status is made from, besides the pod: one round of looking."""

    runtime: RuntimeStatus
    old: Object  # the status shown before
    host_ips: Sequence[str]
    runtime_name: str
    reasons: Mapping[str, Waiting] = field(default_factory=dict)  # by container
    resize_conditions: Sequence[dict[str, Any]] = ()
    verdict: Eviction | None = None


def generate(pod: Object, view: View, probes: Probes, *, is_terminal: bool = False) -> Object:
    """The status; times of transitions and the start are the status manager's."""
    status = _from_runtime(pod, view)
    every = [*status["containerStatuses"], *status["initContainerStatuses"]]
    phase = get_phase(
        pod,
        every,
        is_terminal=is_terminal,
        has_initialized=runtime_status.any_regular_active(pod, view.runtime),
    )
    _set_phase(status, pod, view, phase)
    probes.mark(pod, status)
    _set_conditions(status, pod, view, is_terminal=is_terminal)
    _set_addresses(status, pod, view)
    for kind in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
        if not status[kind]:
            del status[kind]
    return status


class Probes:
    """What is known of startup and readiness; this one knows nothing, so that what runs has started and is ready."""

    def mark(self, pod: Object, status: Object) -> None:
        """Fill in `started` and `ready`."""
        for each in status["containerStatuses"]:
            each["started"] = each["ready"] = "running" in each["state"]
        inits = {container["name"]: container for container in facts.init_containers(pod)}
        for each in status["initContainerStatuses"]:
            each["started"] = "running" in each["state"]
            if facts.is_sidecar(inits[each["name"]]):
                each["ready"] = each["started"]
            else:
                each["ready"] = (each["state"].get("terminated") or {}).get("exitCode") == 0


def _set_phase(status: Object, pod: Object, view: View, phase: str) -> None:
    """A terminal phase is never left, whoever announced it; reason and message stay with their phase."""
    shown, old = facts.phase_of(pod), view.old.get("phase")
    if shown in facts.TERMINAL:
        phase = shown
    elif phase not in facts.TERMINAL and old in facts.TERMINAL:
        phase = old
    if phase == old:
        for key in ("reason", "message"):
            if value := view.old.get(key) or (pod.get("status") or {}).get(key):
                status[key] = value
    if view.verdict is not None:
        status |= {"reason": view.verdict.reason, "message": view.verdict.message}
        phase = shown if shown in facts.TERMINAL else FAILED
    status["phase"] = phase


def _set_conditions(status: Object, pod: Object, view: View, *, is_terminal: bool) -> None:
    """Those of others first, then the kubelet's in upstream's order."""
    shown = (pod.get("status") or {}).get("conditions") or ()
    found = [dict(each) for each in shown if each["type"] not in conditions.OWNED]
    if not is_terminal:
        found += [dict(each) for each in view.resize_conditions]
    disruption = conditions.find(view.old.get("conditions"), conditions.DISRUPTION_TARGET)
    if view.verdict is not None and view.verdict.disruption:
        disruption = conditions.condition(
            conditions.DISRUPTION_TARGET, pod, True, view.verdict.disruption, view.verdict.message
        )
    if disruption is not None:
        found = [each for each in found if each["type"] != conditions.DISRUPTION_TARGET] + [dict(disruption)]
    statuses, phase = [*status["initContainerStatuses"], *status["containerStatuses"]], status["phase"]
    found.append(conditions.sandbox_ready(pod, view.runtime))
    found.append(conditions.initialized(pod, statuses, phase, view.old))
    found.append(conditions.ready(pod, found, statuses, phase))
    found.append(conditions.containers_ready(pod, statuses, phase))
    found.append(conditions.scheduled(pod))
    if facts.may_restart_all(pod):
        found.append(conditions.restarting_all(pod, view.runtime, view.old, phase))
    status["conditions"] = found


def _set_addresses(status: Object, pod: Object, view: View) -> None:
    if not view.host_ips:
        return
    status["hostIP"] = view.host_ips[0]
    status["hostIPs"] = [{"ip": ip} for ip in view.host_ips]
    if facts.on_host_network(pod) and "podIP" not in status:
        status["podIP"] = view.host_ips[0]
        status["podIPs"] = [{"ip": ip} for ip in view.host_ips]


def _from_runtime(pod: Object, view: View) -> Object:
    status: Object = {"qosClass": facts.qos_of(pod)}
    ips = view.runtime.ips
    if not ips and facts.is_terminal(pod):  # what has ended keeps showing the address it had
        ips = tuple(each["ip"] for each in view.old.get("podIPs") or ())
    if ips:
        status["podIP"] = ips[0]
        status["podIPs"] = [{"ip": ip} for ip in ips]
    restarting = runtime_status.restart_all_wanted(pod, view.runtime, view.old)
    for kind, containers, key in (
        ("main", facts.containers(pod), "containerStatuses"),
        ("init", facts.init_containers(pod), "initContainerStatuses"),
        ("ephemeral", facts.ephemeral_containers(pod), "ephemeralContainerStatuses"),
    ):
        status[key] = _Statuses(pod, view, containers, kind, view.old.get(key) or (), restarting).make()
    status |= _pod_resources(pod)
    return status


def _pod_resources(pod: Object) -> Object:
    requests, limits = pod_requests(pod), pod_limits(pod)
    resources = {k: v for k, v in (("requests", requests), ("limits", limits)) if v}
    made: Object = {"resources": {**(pod["spec"].get("resources") or {}), **resources}}
    if requests:
        made["allocatedResources"] = requests
    return made


class _Statuses:
    """The statuses of one kind of a pod's containers."""

    def __init__(
        self,
        pod: Object,
        view: View,
        containers: list[dict[str, Any]],
        kind: str,
        previous: Sequence[Status],
        restarting: bool,
    ) -> None:
        self._pod = pod
        self._view = view
        self._containers = containers
        self._is_init = kind == "init"
        self._restarting = restarting
        self._old = {status["name"]: status for status in previous}
        self._default = INITIALIZING if facts.init_containers(pod) else CREATING

    def make(self) -> list[Status]:
        """In the order of the spec for init containers, by name for the others (upstream sorts them so)."""
        statuses = {container["name"]: self._initial(container) for container in self._containers}
        present = {each.name for each in self._view.runtime.containers}
        for container in self._containers:
            if container["name"] not in present:
                self._infer_lost(statuses[container["name"]])
        self._apply_runtime(statuses)
        for container in self._containers:
            self._apply_reason(container, statuses[container["name"]])
        names = list(statuses) if self._is_init else sorted(statuses)
        return [statuses[name] for name in names]

    def _initial(self, container: dict[str, Any]) -> Status:
        """Waiting, until the runtime says otherwise; what has terminated stays so."""
        old = self._old.get(container["name"])
        if old is not None and "terminated" in old["state"]:
            return objects.copy(old)  # type: ignore[no-any-return]
        status: Status = {
            "name": container["name"],
            "image": container.get("image") or "",
            "imageID": "",
            "state": {"waiting": {"reason": self._default}},
            "lastState": objects.copy(old.get("lastState") or {}) if old else {},
            "restartCount": old.get("restartCount") or 0 if old else 0,
            "ready": False,
            "started": False,
        }
        if mounts := [_volume_mount(mount) for mount in container.get("volumeMounts") or ()]:
            status["volumeMounts"] = mounts
        return status

    def _infer_lost(self, status: Status) -> None:
        """A container that was seen running and is not there any more has ended, we do not know how."""
        old = self._old.get(status["name"])
        if old is None:
            return
        if self._restarting and "waiting" not in old["state"]:
            end = {
                "reason": RESTARTING_ALL,
                "message": RESET,
                "exitCode": KILLED,
                "startedAt": None,
                "finishedAt": None,
            }
            status["state"] = {"waiting": {"reason": RESTARTING_ALL, "message": RESET}}
            status["lastState"] = {"terminated": end}
            status["restartCount"] = (old.get("restartCount") or 0) + 1
            return
        waiting = status["state"].get("waiting") or {}
        if "running" not in old["state"] or waiting.get("reason") != self._default or status["lastState"]:
            return
        status["lastState"] = {
            "terminated": {
                "reason": UNKNOWN,
                "message": GONE_BEFORE,
                "exitCode": KILLED,
                "startedAt": None,
                "finishedAt": None,
            }
        }
        if not facts.is_deleted(self._pod):
            status["restartCount"] += 1

    def _apply_runtime(self, statuses: dict[str, Status]) -> None:
        """The newest container of a name is its state, the one before its last state."""
        seen: dict[str, int] = {}
        for found in self._view.runtime.containers:
            if found.name not in statuses or seen.get(found.name, 0) >= 2:
                continue
            status = self._convert(found, self._old.get(found.name))
            if not seen.get(found.name):
                statuses[found.name] = {**statuses[found.name], **status}
                if "allocatedResources" not in status:
                    statuses[found.name].pop("allocatedResources", None)
            else:
                statuses[found.name]["lastState"] = status["state"]
            seen[found.name] = seen.get(found.name, 0) + 1

    def _convert(self, found: ContainerStatus, old: Status | None) -> Status:
        container_id = f"{self._view.runtime_name}://{found.id}"
        status: Status = {
            "name": found.name,
            "restartCount": found.attempt,
            "image": found.image,
            "imageID": found.image_ref,
            "containerID": container_id,
            "state": _state(found, container_id),
            "lastState": {},
            "ready": False,
            "started": False,
        }
        if old is not None:
            self._remember(status, found, old, container_id)
        container = facts.container_named(self._pod, found.name) or {}
        status |= _resources(container, found)
        if found.user is not None:
            status["user"] = dict(found.user)
        return status

    def _remember(self, status: Status, found: ContainerStatus, old: Status, container_id: str) -> None:
        """What only the old status knows: counts and ends of containers the runtime has forgotten."""
        status["restartCount"] = max(status["restartCount"], old.get("restartCount") or 0)
        end = old["state"].get("terminated")
        if old.get("containerID") != container_id and end:
            status["lastState"] = {"terminated": end}
        elif last := (old.get("lastState") or {}).get("terminated"):
            status["lastState"] = {"terminated": last}
        if found.state == "running":
            if end and (old.get("restartCount") or 0) >= found.attempt and old.get("containerID") != container_id:
                status["restartCount"] = (old.get("restartCount") or 0) + 1
            status["started"] = bool(old.get("started"))
        elif found.state == "unknown" and "running" in old["state"]:
            reason = RESTARTING_ALL if self._restarting else UNKNOWN
            status["state"] = {
                "terminated": {
                    "reason": reason,
                    "message": GONE,
                    "exitCode": KILLED,
                    "startedAt": None,
                    "finishedAt": None,
                }
            }
            status["restartCount"] = (old.get("restartCount") or 0) + 1

    def _apply_reason(self, container: dict[str, Any], status: Status) -> None:
        """A container that has to be started and could not be is waiting, and says why."""
        found = self._view.runtime.find(container["name"])
        if self._is_init:
            if found is not None and found.state == "exited" and found.exit_code == 0:
                return
            created = runtime_status.any_regular_created(self._pod, self._view.runtime)
            if found is None and created and not facts.is_sidecar(container) and "waiting" in status["state"]:
                end = {
                    "reason": "Completed",
                    "message": INIT_LOST,
                    "exitCode": 0,
                    "startedAt": None,
                    "finishedAt": None,
                }
                status["state"] = {"terminated": end}
                return
        reason = self._view.reasons.get(container["name"])
        if reason is None or not runtime_status.should_start(container, self._pod, self._view.runtime):
            return
        if "terminated" in status["state"]:
            status["lastState"] = status["state"]
        waiting = {"reason": reason.reason}
        if reason.message:
            waiting["message"] = reason.message
        status["state"] = {"waiting": waiting}


def _state(found: ContainerStatus, container_id: str) -> Status:
    if found.state == "running":
        return {"running": {"startedAt": rfc3339(found.started_at)}}
    if found.state != "exited":
        return {"waiting": {}}
    end = {
        "exitCode": found.exit_code,
        "reason": found.reason,
        "message": found.message,
        "startedAt": rfc3339(found.started_at),
        "finishedAt": rfc3339(found.finished_at),
        "containerID": container_id,
    }
    return {"terminated": {k: v for k, v in end.items() if v != ""}}


def _resources(container: dict[str, Any], found: ContainerStatus) -> Status:
    """`resources`: what is in force; `allocatedResources`: what the node has agreed to."""
    allocated = container.get("resources") or {}
    in_force: Object = objects.copy(allocated)
    if found.state == "running" and found.resources is not None:
        for kind in ("requests", "limits"):
            for name, value in (found.resources.get(kind) or {}).items():
                if name in ("cpu", "memory") and kind in in_force:
                    in_force[kind][name] = value
    made: Status = {"resources": in_force}
    if requests := allocated.get("requests"):
        made["allocatedResources"] = dict(requests)
    return made


def _volume_mount(mount: dict[str, Any]) -> Status:
    made = {"name": mount["name"], "mountPath": mount["mountPath"]}
    if mount.get("readOnly"):
        made |= {"readOnly": True, "recursiveReadOnly": "Disabled"}
    return made
