"""Which container's log is asked for, and how much of it (upstream GetKubeletContainerLogs, validateContainerLogStatus)."""

from __future__ import annotations

from collections.abc import Mapping

from apiserver.apimachinery.clock import parse_rfc3339
from apiserver.apimachinery.objects import Object
from kubelet.node.phase import last_terminated
from kubelet.runtime.interface import LogOptions

KINDS = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")


class NoLog(Exception):
    """There is no log to show; the text says why."""


def container_with_log(status: Object, pod: str, container: str, *, previous: bool) -> str:
    """The id of the container. Raises NoLog in upstream's words."""
    found = next((each for kind in KINDS for each in status.get(kind) or () if each["name"] == container), None)
    if found is None:
        raise NoLog(f'container "{container}" in pod "{pod}" is not available')
    last, waiting = last_terminated(found), (found.get("state") or {}).get("waiting")
    if previous:
        if not last or not last.get("containerID"):
            raise NoLog(f'previous terminated container "{container}" in pod "{pod}" not found')
        return _bare(last["containerID"])
    state = found.get("state") or {}
    if "running" in state:
        return _bare(found.get("containerID") or "")
    if "terminated" in state and state["terminated"].get("containerID"):
        return _bare(state["terminated"]["containerID"])
    if last and last.get("containerID"):
        return _bare(last["containerID"])
    if waiting is not None:
        reason = waiting.get("reason") or ""
        if reason in ("ErrImagePull", "ImagePullBackOff"):
            trouble = "trying and failing to pull image" if reason == "ImagePullBackOff" else "image can't be pulled"
            raise NoLog(f'container "{container}" in pod "{pod}" is waiting to start: {trouble}')
        raise NoLog(f'container "{container}" in pod "{pod}" is waiting to start: {reason}')
    raise NoLog(f'container "{container}" in pod "{pod}" is waiting to start - no logs yet')


def _bare(container_id: str) -> str:
    return container_id.rpartition("://")[2]


def log_options(query: Mapping[str, str], now: float) -> LogOptions:
    """Raises NoLog for what is no number or time."""
    try:
        since = parse_rfc3339(query["sinceTime"]) if query.get("sinceTime") else 0.0
        if query.get("sinceSeconds"):
            since = now - int(query["sinceSeconds"])
        return LogOptions(
            follow=_flag(query, "follow"),
            tail_lines=int(query["tailLines"]) if query.get("tailLines") else None,
            since=since,
            timestamps=_flag(query, "timestamps"),
            limit_bytes=int(query["limitBytes"]) if query.get("limitBytes") else None,
            stream=query.get("stream") or "All",
        )
    except ValueError as error:
        raise NoLog(f"invalid log options: {error}") from error


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "") in ("true", "1", "True")
