"""Carrying out a preemption, in the background: victims are told why and deleted with their grace; nominations below are taken back.

The pod that preempts is not tried again before its last victim is on its way out. Mirrors upstream framework/preemption/executor.go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import STRATEGIC_PATCH
from controllers.framework import kinds
from controllers.scheduler.framework.interface import Handle
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.pod_status import status_patch
from controllers.scheduler.queue.nominator import nominated_node

log = logging.getLogger(__name__)

DISRUPTION_TARGET = "DisruptionTarget"
BY_SCHEDULER = "PreemptionByScheduler"


def terminating_by_preemption(pod: Object) -> bool:
    """Is the pod on its way out because a scheduler preempted it?"""
    if not pod["metadata"].get("deletionTimestamp"):
        return False
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition["type"] == DISRUPTION_TARGET:
            return (condition.get("status"), condition.get("reason")) == ("True", BY_SCHEDULER)
    return False


class PreemptionExecutor:
    """`running(uid)`: the pod waits for victims that have not been told yet."""

    def __init__(self, plugin: str, handle: Handle) -> None:
        self._plugin = plugin
        self._handle = handle
        self._pods = handle.client.resource(kinds.PODS)
        self._preempting: dict[
            str, PodInfo | None
        ] = {}  # preemptor's uid → its last victim, once that is all that is left

    def running(self, uid: str) -> bool:
        if uid not in self._preempting:
            return False
        last = self._preempting[uid]
        if last is None:
            return True
        seen = self._handle.listers.pod(*last.key)
        return seen is not None and not seen["metadata"].get("deletionTimestamp")

    def start(self, preemptor: PodInfo, node: str, victims: Sequence[PodInfo]) -> None:
        """Begin, and come back at once."""
        alive = [victim for victim in victims if not victim.pod["metadata"].get("deletionTimestamp")]
        if not alive:
            return
        self._preempting[preemptor.uid] = None
        self._handle.run_task(self._run(preemptor, node, alive), name=f"preempt-for-{preemptor}")

    async def _run(self, preemptor: PodInfo, node: str, victims: Sequence[PodInfo]) -> None:
        *first, last = victims
        activate = False
        try:
            await self._clear_nominations(preemptor, node)
            await asyncio.gather(*(self._preempt(preemptor, node, victim) for victim in first))
            self._preempting[preemptor.uid] = last
            activate = await self._preempt(preemptor, node, last)
        except (StatusError, ConnectionError, TimeoutError, OSError) as error:
            log.info("preemption failed", extra={"preemptor": str(preemptor), "node": node, "error": str(error)})
            activate = True
        finally:
            self._preempting.pop(preemptor.uid, None)
        if activate:  # no deletion will be seen that would wake the preemptor
            self._handle.activate({preemptor.uid: preemptor})

    async def _clear_nominations(self, preemptor: PodInfo, node: str) -> None:
        """Pods of lower priority that were promised the node may not fit any more: they look for another place at once."""
        for pod in self._handle.nominator.on_node(node):
            if pod.priority < preemptor.priority and nominated_node(pod.pod):
                patch = {"metadata": {"uid": pod.uid}, "status": {"nominatedNodeName": None}}
                try:
                    await self._patch(pod, patch)
                except (StatusError, ConnectionError, TimeoutError, OSError) as error:
                    log.info("nomination not cleared", extra={"pod": str(pod), "error": str(error)})

    async def _preempt(self, preemptor: PodInfo, node: str, victim: PodInfo) -> bool:
        """True when the victim was only held back here: it is not deleted, it goes back to the queue."""
        note = f"Preempted by pod {preemptor.uid} on node {node}"
        runner = self._handle.runner
        in_memory = runner is not None and runner.reject_waiting(victim.uid, self._plugin, "preempted")
        if in_memory:
            note += " (in kube-scheduler memory)."
        elif not await self._delete(preemptor, victim):
            return False
        scheduler = preemptor.pod["spec"]["schedulerName"]
        # Upstream names the preemptor as related, in a form that its recorder cannot refer to: nothing is written.
        self._handle.recorder.event(scheduler, victim.pod, "Normal", "Preempted", "Preempting", note)
        return in_memory

    async def _delete(self, preemptor: PodInfo, victim: PodInfo) -> bool:
        """False when it was gone already."""
        try:
            await self._patch(victim, _disruption(preemptor, victim, rfc3339(self._handle.clock.now())))
            await self._pods.delete(victim.name, victim.namespace)
        except StatusError as error:
            if error.code != 404:
                raise
            return False
        return True

    async def _patch(self, pod: PodInfo, patch: dict[str, Any]) -> None:
        await self._pods.patch(pod.name, pod.namespace, patch, type=STRATEGIC_PATCH, subresource="status")


def _disruption(preemptor: PodInfo, victim: PodInfo, now: str) -> dict[str, Any]:
    scheduler = preemptor.pod["spec"]["schedulerName"]
    condition: dict[str, Any] = {
        "type": DISRUPTION_TARGET,
        "status": "True",
        "reason": BY_SCHEDULER,
        "message": f"{scheduler}: preempting to accommodate a higher priority pod",
        "lastProbeTime": None,
        "lastTransitionTime": now,
    }
    if generation := victim.pod["metadata"].get("generation"):
        condition["observedGeneration"] = generation
    return status_patch(victim.pod, condition, None) or {}
