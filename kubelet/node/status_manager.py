"""Shows pods' statuses to the API, the newest of each, and deletes pods that have ended (upstream status_manager.go).

Several changes before a write is done become one write. Unlike upstream the pod is not read before each patch: the node's
watch knows it, and the uid in the patch guards against another pod of its name.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, Protocol

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.client.resources import STRATEGIC_PATCH
from kubelet.node import conditions, facts
from kubelet.node.api_status import GONE, KILLED, UNKNOWN
from kubelet.node.context import NodeContext
from kubelet.node.phase import last_terminated
from kubelet.node.status_patch import status_patch

log = logging.getLogger(__name__)

PODS = GroupVersionResource("", "v1", "pods")
RETRY = 10.0  # seconds until a write that failed is tried again (upstream syncPeriod)
MAX_MESSAGES = 12 * 1024  # bytes of all termination messages of a pod
_KINDS = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


class Pods(Protocol):
    """What the manager asks of the node."""

    def api_pod(self, uid: str) -> Object | None:
        """The pod whose status shows that of pod `uid`, as last seen: itself, or the mirror of a static pod."""
        ...

    def may_have_running_containers(self, uid: str) -> bool: ...

    def written(self, pod: Object) -> None:
        """A pod as the API gave it back."""
        ...


@dataclass(slots=True)
class _Entry:
    status: Object
    finished: bool = False
    version: int = 1
    sent: int = 0


class StatusManager:
    """One node's."""

    def __init__(self, context: NodeContext, pods: Pods) -> None:
        self._context = context
        self._client = context.client.resource(PODS)
        self._pods = pods
        self._entries: dict[str, _Entry] = {}
        self._dirty: dict[str, None] = {}
        self._task: asyncio.Task[None] | None = None
        self._retries: dict[str, asyncio.TimerHandle] = {}
        self._tasks = TaskOwner("status manager")

    def get(self, uid: str) -> Object | None:
        entry = self._entries.get(uid)
        return entry.status if entry is not None else None

    def old_status(self, pod: Object) -> Object:
        """What was shown last."""
        return self.get(facts.uid_of(pod)) or pod.get("status") or {}

    def set(self, pod: Object, status: Object) -> Object:
        """Show `status`; returns it as it will be shown."""
        return self._put(pod, status, finished=False, force=facts.is_deleted(pod))

    def terminate(self, pod: Object) -> None:
        """The pod has ended for good: what is not known to have ended well failed."""
        status: Object = objects.copy(self.old_status(pod))
        if has_initialized(pod):
            for each in status.get("containerStatuses") or ():
                _mark_lost(each)
        for each in _tried(status.get("initContainerStatuses") or []):
            _mark_lost(each)
        if not facts.is_static(pod) and status.get("phase") not in facts.TERMINAL:
            status["phase"] = "Failed"
        self._put(pod, status, finished=True, force=True)

    def _put(self, pod: Object, status: Object, *, finished: bool, force: bool) -> Object:
        uid = facts.uid_of(pod)
        entry = self._entries.get(uid)
        old = entry.status if entry is not None else pod.get("status") or {}
        if (why := illegal_transition(old, status, pod)) is not None:
            log.error("status not taken", extra={"pod": facts.full_name(pod), "why": why})
            return old
        now = rfc3339(self._context.clock.now())
        conditions.stamp(status.get("conditions") or [], old.get("conditions"), now)
        status["startTime"] = old.get("startTime") or status.get("startTime") or now
        generation = pod["metadata"].get("generation")
        if generation is not None:
            status["observedGeneration"] = max(generation, old.get("observedGeneration") or 0)
        _shorten_messages(status, pod)
        if entry is None:
            self._entries[uid] = _Entry(status, finished)
        elif status != entry.status or force:
            entry.status, entry.version = status, entry.version + 1
            entry.finished = entry.finished or finished
        else:
            return entry.status
        self._mark(uid)
        return status

    def forget(self, uid: str) -> None:
        self._entries.pop(uid, None)
        self._dirty.pop(uid, None)
        if timer := self._retries.pop(uid, None):
            timer.cancel()

    def show(self, uid: str) -> None:
        """There is a pod now to show the status on."""
        if uid in self._entries:
            self._mark(uid)

    def reconcile(self, uid: str) -> None:
        """Somebody else has written the pod's status: show what is true again, in a while (upstream syncBatch)."""
        if uid in self._entries and uid not in self._retries:
            self._retries[uid] = asyncio.get_running_loop().call_later(RETRY, self._retry, uid)

    # Writing

    def _mark(self, uid: str) -> None:
        self._dirty[uid] = None
        if self._task is None:
            self._task = self._tasks.create_task(self._flush(), name="pod-statuses")

    async def _flush(self) -> None:
        """One after the other: a node needs one connection for its writes."""
        try:
            while self._dirty:
                uid = next(iter(self._dirty))
                del self._dirty[uid]
                try:
                    await self._write(uid)
                except (StatusError, ConnectionError, TimeoutError, OSError) as error:
                    self._failed(uid, error)
        finally:
            self._task = None

    def _failed(self, uid: str, error: Exception) -> None:
        if isinstance(error, StatusError) and error.code == 404:
            return  # the watch will tell
        log.info("pod status not written", extra={"uid": uid, "error": str(error)})
        if uid not in self._retries and uid in self._entries:
            self._retries[uid] = asyncio.get_running_loop().call_later(RETRY, self._retry, uid)

    def _retry(self, uid: str) -> None:
        self._retries.pop(uid, None)
        if uid in self._entries:
            self._mark(uid)

    async def _write(self, uid: str) -> None:
        entry, pod = self._entries.get(uid), self._pods.api_pod(uid)
        if entry is None or pod is None:
            return  # no mirror pod yet, or gone
        version = entry.version
        may_run = self._pods.may_have_running_containers(uid)
        now = rfc3339(self._context.clock.now())
        merged = merge_status(pod, pod.get("status") or {}, entry.status, may_run=may_run, now=now)
        patch = status_patch(facts.uid_of(pod), pod.get("status") or {}, merged)
        meta = pod["metadata"]
        if patch is not None:
            pod = await self._client.patch(
                meta["name"], meta["namespace"], patch, type=STRATEGIC_PATCH, subresource="status"
            )
            self._pods.written(pod)
        entry.sent = max(entry.sent, version)
        if self._may_delete(pod, entry):
            await self._client.delete(meta["name"], meta["namespace"], uid=facts.uid_of(pod), grace_period=0)

    def _may_delete(self, pod: Object, entry: _Entry) -> bool:
        deleted = facts.is_deleted(pod) and not facts.is_mirror(pod)
        return deleted and facts.is_terminal(pod) and entry.finished

    async def close(self) -> None:
        for timer in self._retries.values():
            timer.cancel()
        await self._tasks.close()


def merge_status(pod: Object, old: Object, new: Object, *, may_run: bool, now: str) -> Object:
    """Conditions of others stay; a terminal phase waits until nothing runs (upstream mergePodStatus)."""
    merged = dict(new)
    ends = old.get("phase") not in facts.TERMINAL and new.get("phase") in facts.TERMINAL
    found = [each for each in old.get("conditions") or () if each["type"] not in conditions.OWNED]
    for each in new.get("conditions") or ():
        if each["type"] in conditions.OWNED:
            found.append(each)
        elif each["type"] == conditions.DISRUPTION_TARGET and ends and not may_run:
            found = [other for other in found if other["type"] != each["type"]] + [each]
    merged["conditions"] = found
    for key in ("resourceClaimStatuses", "extendedResourceClaimStatus", "nodeAllocatableResourceClaimStatuses"):
        if key in old:
            merged[key] = old[key]
    if ends and may_run:
        for key in ("phase", "reason", "message"):
            merged.pop(key, None)
            if key in old:
                merged[key] = old[key]
    if merged.get("phase") in facts.TERMINAL:
        _not_ready(pod, merged, now)
    return merged


def _not_ready(pod: Object, status: Object, now: str) -> None:
    """A pod that has ended is not ready, whatever was known last."""
    reason = "PodFailed" if status["phase"] == "Failed" else "PodCompleted"
    kinds = (conditions.READY, conditions.CONTAINERS_READY)
    if not any(conditions.is_true(status["conditions"], kind) for kind in kinds):
        return
    status["conditions"] = [
        {**conditions.condition(each["type"], pod, False, reason), "lastTransitionTime": now}
        if each["type"] in kinds
        else each
        for each in status["conditions"]
    ]


def illegal_transition(old: Object, new: Object, pod: Object) -> str | None:
    """Why a status cannot follow another: a container that ended for good does not run again."""
    if pod["spec"].get("restartPolicy") == "Always" or facts.may_restart_all(pod):
        return None
    for kind in ("containerStatuses", "initContainerStatuses"):
        after = {each["name"]: each for each in new.get(kind) or ()}
        for before in old.get(kind) or ():
            end = (before.get("state") or {}).get("terminated")
            container = facts.container_named(pod, before["name"])
            if end is None or container is None or before["name"] not in after:
                continue
            if facts.is_sidecar(container) or facts.should_restart(container, pod["spec"], end.get("exitCode") or 0):
                continue
            if "terminated" not in (after[before["name"]].get("state") or {}):
                return f"terminated container {before['name']} attempted illegal transition to non-terminated state"
    return None


def has_initialized(pod: Object) -> bool:
    """Whether the API shows that main containers had their turn (upstream hasPodInitialized)."""
    inits = facts.init_containers(pod)
    if not inits:
        return True
    status = pod.get("status") or {}
    for each in status.get("containerStatuses") or ():
        if last_terminated(each) is not None or "waiting" not in (each.get("state") or {}):
            return True
    shown = status.get("initContainerStatuses") or []
    if not shown:
        return False
    last = next((each for each in shown if each["name"] == inits[-1]["name"]), None)
    if last is None:
        return False
    if facts.is_sidecar(inits[-1]):
        return "running" in (last.get("state") or {}) and bool(last.get("started"))
    ends = ((last.get("state") or {}).get("terminated"), last_terminated(last))
    return any(end is not None and not end.get("exitCode") for end in ends)


def _tried(statuses: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Init containers up to the last that was ever started; at least the first."""
    for i in reversed(range(len(statuses))):
        if "waiting" not in statuses[i]["state"] or last_terminated(statuses[i]) is not None:
            return statuses[: i + 1]
    return statuses[:1]


def _mark_lost(status: dict[str, Any]) -> None:
    if "terminated" not in status["state"]:
        end = {"reason": UNKNOWN, "message": GONE, "exitCode": KILLED, "startedAt": None, "finishedAt": None}
        status["state"] = {"terminated": end}


def _shorten_messages(status: Object, pod: Object) -> None:
    limit = MAX_MESSAGES // max(len(list(facts.every_container(pod))), 1)
    for kind in _KINDS:
        for each in status.get(kind) or ():
            for state in (each.get("state"), each.get("lastState")):
                end = (state or {}).get("terminated")
                if end and len(end.get("message") or "") > limit:
                    end["message"] = end["message"][:limit]
