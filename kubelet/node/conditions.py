"""The conditions of a pod that its kubelet owns, in upstream's reasons and words (pkg/kubelet/status/generate.go)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiserver.apimachinery.objects import Object
from kubelet.node import facts, runtime_status
from kubelet.node.phase import FAILED, SUCCEEDED
from kubelet.node.runtime_status import RuntimeStatus

READY, CONTAINERS_READY, INITIALIZED, SCHEDULED = "Ready", "ContainersReady", "Initialized", "PodScheduled"
SANDBOX = "PodReadyToStartContainers"
RESTARTING_ALL = "AllContainersRestarting"
DISRUPTION_TARGET = "DisruptionTarget"
RESIZE_PENDING, RESIZE_IN_PROGRESS = "PodResizePending", "PodResizeInProgress"
RESIZES = (RESIZE_PENDING, RESIZE_IN_PROGRESS)  # they bring their times with them
OWNED = frozenset(
    {SCHEDULED, READY, INITIALIZED, CONTAINERS_READY, RESIZE_PENDING, RESIZE_IN_PROGRESS, SANDBOX, RESTARTING_ALL}
)

Condition = dict[str, Any]


def find(conditions: Sequence[Condition] | None, kind: str) -> Condition | None:
    return next((each for each in conditions or () if each["type"] == kind), None)


def is_true(conditions: Sequence[Condition] | None, kind: str) -> bool:
    found = find(conditions, kind)
    return found is not None and found["status"] == "True"


def condition(kind: str, pod: Object, status: bool, reason: str = "", message: str = "") -> Condition:
    made: Condition = {"type": kind, "status": "True" if status else "False", "lastProbeTime": None}
    if (generation := pod["metadata"].get("generation")) is not None:
        made["observedGeneration"] = generation
    if reason:
        made["reason"] = reason
    if message:
        made["message"] = message
    return made


def containers_ready(pod: Object, statuses: Sequence[dict[str, Any]], phase: str) -> Condition:
    by_name = {status["name"]: status for status in statuses}
    wanted = [each for each in facts.init_containers(pod) if facts.is_sidecar(each)] + facts.containers(pod)
    unknown = [each["name"] for each in wanted if each["name"] not in by_name]
    unready = [each["name"] for each in wanted if each["name"] in by_name and not by_name[each["name"]].get("ready")]
    if phase == SUCCEEDED and not unknown:
        return condition(CONTAINERS_READY, pod, False, "PodCompleted")
    if phase == FAILED:
        return condition(CONTAINERS_READY, pod, False, "PodFailed")
    if message := _message(unknown, "unready", unready):
        return condition(CONTAINERS_READY, pod, False, "ContainersNotReady", message)
    return condition(CONTAINERS_READY, pod, True)


def _message(unknown: list[str], word: str, names: list[str]) -> str:
    parts = [f"containers with unknown status: [{' '.join(unknown)}]"] if unknown else []
    if names:
        parts.append(f"containers with {word} status: [{' '.join(names)}]")
    return ", ".join(parts)


def ready(pod: Object, conditions: Sequence[Condition], statuses: Sequence[dict[str, Any]], phase: str) -> Condition:
    """ContainersReady, and every readiness gate."""
    found = containers_ready(pod, statuses, phase)
    if found["status"] != "True":
        return {**found, "type": READY}
    if messages := list(_gates(pod, conditions)):
        return condition(READY, pod, False, "ReadinessGatesNotReady", ", ".join(messages))
    return condition(READY, pod, True)


def _gates(pod: Object, conditions: Sequence[Condition]) -> list[str]:
    messages = []
    for gate in pod["spec"].get("readinessGates") or ():
        kind = gate["conditionType"]
        found = find(conditions, kind)
        if found is None:
            messages.append(f'corresponding condition of pod readiness gate "{kind}" does not exist.')
        elif found["status"] != "True":
            messages.append(f'the status of pod readiness gate "{kind}" is not "True", but {found["status"]}')
    return messages


def gates_changed(pod: Object) -> bool:
    """Whether the Ready condition does not say what the readiness gates make of it."""
    if not pod["spec"].get("readinessGates"):
        return False
    status = pod.get("status") or {}
    found = find(status.get("conditions"), READY)
    if found is None:
        return False
    statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    wanted = ready(pod, status.get("conditions") or (), statuses, facts.phase_of(pod))
    return (found["status"], found.get("message")) != (wanted["status"], wanted.get("message"))


def initialized(pod: Object, statuses: Sequence[dict[str, Any]], phase: str, old: Object) -> Condition:
    by_name = {status["name"]: status for status in statuses}
    inits = facts.init_containers(pod)
    unknown = [each["name"] for each in inits if each["name"] not in by_name]
    incomplete = [each["name"] for each in inits if each["name"] in by_name and not _has_initialized(each, by_name)]
    if phase == SUCCEEDED and not unknown:
        return condition(INITIALIZED, pod, True, "PodCompleted")
    if any(_has_started(by_name.get(each["name"])) for each in facts.containers(pod)):
        return condition(INITIALIZED, pod, True)
    if message := _message(unknown, "incomplete", incomplete):
        if is_true(old.get("conditions"), INITIALIZED):
            return condition(INITIALIZED, pod, True)  # once initialized, for ever: a restart in place starts init again
        return condition(INITIALIZED, pod, False, "ContainersNotInitialized", message)
    return condition(INITIALIZED, pod, True)


def _has_initialized(container: dict[str, Any], by_name: dict[str, dict[str, Any]]) -> bool:
    status = by_name[container["name"]]
    return bool(status.get("started") if facts.is_sidecar(container) else status.get("ready"))


def _has_started(status: dict[str, Any] | None) -> bool:
    state = (status or {}).get("state") or {}
    return "running" in state or "terminated" in state


def sandbox_ready(pod: Object, status: RuntimeStatus) -> Condition:
    if why := runtime_status.sandbox_needed(pod, status):
        return condition(SANDBOX, pod, False, "PodSandboxNotReady", why)
    return condition(SANDBOX, pod, True)


def scheduled(pod: Object) -> Condition:
    return condition(SCHEDULED, pod, True)


def restarting_all(pod: Object, status: RuntimeStatus, old: Object, phase: str) -> Condition:
    made: Condition = {"type": RESTARTING_ALL, "status": "False", "lastProbeTime": None}
    if phase in (SUCCEEDED, FAILED):
        return {**made, "reason": "PodCompleted" if phase == SUCCEEDED else "PodFailed"}
    wanted = runtime_status.restart_all_wanted(pod, status, old)
    if not wanted or runtime_status.restart_all_done(pod, status):
        return made
    return {
        **made,
        "status": "True",
        "reason": "RestartAllContainersStarted",
        "message": "container exited with restart policy rule",
    }


def stamp(conditions: list[Condition], old: Sequence[Condition] | None, now: str) -> None:
    """lastTransitionTime: kept where the status is, now where it changed."""
    for each in conditions:
        if (each["type"] not in OWNED and each["type"] != DISRUPTION_TARGET) or each["type"] in RESIZES:
            continue
        before = find(old, each["type"])
        kept = before is not None and before["status"] == each["status"]
        each["lastTransitionTime"] = (before or {}).get("lastTransitionTime") or now if kept else now
