"""A pod's phase from its container statuses (upstream kubelet_pods.go getPhase)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apiserver.apimachinery.objects import Object
from kubelet.node import facts

PENDING, RUNNING, SUCCEEDED, FAILED = "Pending", "Running", "Succeeded", "Failed"
RESTARTING_ALL = "RestartingAllContainers"

Status = dict[str, Any]


@dataclass
class _Count:
    unknown: int = 0
    running: int = 0
    waiting: int = 0
    stopped: int = 0
    not_restartable: int = 0
    succeeded: int = 0
    pending_sidecars: int = 0


def terminated(status: Status) -> Status | None:
    return (status.get("state") or {}).get("terminated")


def last_terminated(status: Status) -> Status | None:
    return (status.get("lastState") or {}).get("terminated")


def state_of(status: Status | None) -> str:
    """running, terminated, waiting (never ran), restarting (waiting after it ran) or unknown."""
    state = (status or {}).get("state") or {}
    if "running" in state:
        return "running"
    if "terminated" in state:
        return "terminated"
    if "waiting" in state:
        return "restarting" if last_terminated(status or {}) else "waiting"
    return "unknown"


def get_phase(pod: Object, statuses: list[Status], *, is_terminal: bool, has_initialized: bool) -> str:
    """`statuses`: of init and main containers. `is_terminal`: nothing will be restarted whatever the policy says."""
    by_name = {status["name"]: status for status in statuses}
    pending_init, failed_init = _initialization(pod, by_name)
    if failed_init:
        return FAILED
    count = _Count()
    _sidecars(pod, by_name, count)
    _main(pod, by_name, count)
    if pending_init or (count.pending_sidecars and not has_initialized) or count.waiting:
        return PENDING
    if count.unknown:
        return PENDING
    if count.running:
        return RUNNING
    if not count.stopped:
        return PENDING
    return _all_stopped(pod, count, is_terminal)


def _all_stopped(pod: Object, count: _Count, is_terminal: bool) -> str:
    final = SUCCEEDED if count.stopped == count.succeeded else FAILED
    if is_terminal and not facts.is_static(pod):
        return final
    if count.stopped != count.not_restartable:
        return RUNNING  # something is about to be restarted
    return final


def _restartable(pod: Object, container: dict[str, Any], end: Status) -> bool:
    return facts.should_restart(container, pod["spec"], end.get("exitCode") or 0) or end.get("reason") == RESTARTING_ALL


def _initialization(pod: Object, by_name: dict[str, Status]) -> tuple[int, int]:
    """(regular init containers that have not ended, those that failed for good)."""
    pending = failed = 0
    for container in facts.init_containers(pod):
        if facts.is_sidecar(container):
            continue
        status = by_name.get(container["name"])
        state = state_of(status)
        if status is None or state not in ("terminated", "restarting"):
            pending += 1
            continue
        end = (terminated(status) if state == "terminated" else last_terminated(status)) or {}
        if end.get("exitCode") and not _restartable(pod, container, end):
            failed += 1
    return pending, failed


def _sidecars(pod: Object, by_name: dict[str, Status], count: _Count) -> None:
    for container in facts.init_containers(pod):
        if not facts.is_sidecar(container):
            continue
        status = by_name.get(container["name"])
        if status is None:
            count.unknown += 1
            continue
        state = state_of(status)
        if state == "running":
            count.running += 1
            count.pending_sidecars += not status.get("started")
        elif state == "waiting":
            count.waiting += 1
            count.pending_sidecars += 1
        elif state == "unknown":
            count.unknown += 1
            count.pending_sidecars += 1


def _main(pod: Object, by_name: dict[str, Status], count: _Count) -> None:
    for container in facts.containers(pod):
        status = by_name.get(container["name"])
        state = state_of(status)
        if status is None or state == "unknown":
            count.unknown += 1
        elif state == "running":
            count.running += 1
        elif state == "waiting":
            count.waiting += 1
        else:
            end = (terminated(status) if state == "terminated" else last_terminated(status)) or {}
            count.stopped += 1
            count.not_restartable += not _restartable(pod, container, end)
            count.succeeded += state == "terminated" and not end.get("exitCode")
