"""Pods that nobody else will remove: too many finished ones, those of vanished nodes, those never scheduled.

Mirrors upstream pkg/controller/podgc: every 20 seconds; a node has to be missing for 40 before its pods go. What is not
finished is marked Failed first: no kubelet is left to do it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from controllers.framework import nodes as node_facts
from controllers.framework import pods as pod_facts
from controllers.framework.context import Context
from controllers.framework.kinds import NODES, PODS
from controllers.framework.manager import Loop
from controllers.framework.periodic import Periodic
from controllers.framework.pod_status import disruption_target, patch_status, with_condition

log = logging.getLogger(__name__)

EVERY = 20.0
QUARANTINE = 40.0  # seconds a node has to be missing
THRESHOLD = 12500  # finished pods that are kept; upstream --terminated-pod-gc-threshold
AT_ONCE = 50  # deletions under way together


def surplus(pods: Iterable[Object], threshold: int) -> list[Object]:
    """The finished pods beyond the threshold: evicted ones first, then the oldest."""
    finished = [pod for pod in pods if pod_facts.phase(pod) not in ("", "Pending", "Running", "Unknown")]
    if threshold <= 0 or len(finished) <= threshold:
        return []
    return sorted(finished, key=_order)[: len(finished) - threshold]


def _order(pod: Object) -> tuple[bool, str, str]:
    status, meta = pod.get("status") or {}, pod["metadata"]
    evicted = status.get("phase") == "Failed" and status.get("reason") == "Evicted"
    return not evicted, meta.get("creationTimestamp") or "", meta["name"]


def out_of_service(pods: Iterable[Object], nodes: Any) -> list[Object]:
    """Pods being deleted on nodes that are down and were declared out of service. `nodes` is a Lister."""
    found = []
    for pod in pods:
        node = nodes.get("", pod["spec"].get("nodeName", "")) if pod["metadata"].get("deletionTimestamp") else None
        if node is not None and node_facts.has_taint(node, node_facts.OUT_OF_SERVICE) and not pod_facts.is_ready(node):
            found.append(pod)
    return sorted(found, key=_order)


class PodCollector:
    """Looks at all pods."""

    def __init__(self, context: Context) -> None:
        self.clock = context.clock
        self.pods = context.resource(PODS)
        self.nodes = context.resource(NODES)
        self.known = context.informer(PODS).lister
        self.known_nodes = context.informer(NODES).lister
        self.threshold = int(context.options.get("terminated_pod_gc_threshold", THRESHOLD))
        self.missing: dict[str, float] = {}  # node → when it was first missing

    async def look(self) -> None:
        pods = self.known.list()
        await self._remove_all(surplus(pods, self.threshold))
        await self._remove_all(out_of_service(pods, self.known_nodes))
        await self._remove_orphans(pods)
        unscheduled = [p for p in pods if p["metadata"].get("deletionTimestamp") and not p["spec"].get("nodeName")]
        await self._remove_all(unscheduled)

    async def _remove_orphans(self, pods: Sequence[Object]) -> None:
        names = dict.fromkeys(pod["spec"]["nodeName"] for pod in pods if pod["spec"].get("nodeName"))
        missing = [name for name in names if self.known_nodes.get("", name) is None]
        now = self.clock.now()
        self.missing = {name: self.missing.get(name, now) for name in missing}
        gone = [name for name in missing if now - self.missing[name] >= QUARANTINE and not await self._exists(name)]
        orphans = [pod for pod in pods if pod["spec"].get("nodeName") in gone] if gone else []
        await self._remove_all(orphans, "PodGC: node no longer exists")

    async def _exists(self, name: str) -> bool:
        """Ask the server itself before anything irrevocable."""
        try:
            await self.nodes.get(name)
        except StatusError as error:
            return error.code != 404
        return True

    async def _remove_all(self, pods: Sequence[Object], message: str = "") -> None:
        for start in range(0, len(pods), AT_ONCE):
            await asyncio.gather(*(self._remove(pod, message) for pod in pods[start : start + AT_ONCE]))

    async def _remove(self, pod: Object, message: str) -> None:
        meta = pod["metadata"]
        try:
            if pod_facts.phase(pod) not in ("Succeeded", "Failed"):
                await patch_status(self.pods, pod, self._failed(pod, message))
            await self.pods.delete(meta["name"], meta["namespace"], grace_period=0)
        except StatusError as error:
            if error.code != 404:
                log.info("pod not removed", extra={"pod": f"{meta['namespace']}/{meta['name']}", "error": str(error)})

    def _failed(self, pod: Object, message: str) -> dict[str, Any]:
        status: dict[str, Any] = {"phase": "Failed"}
        if generation := pod["metadata"].get("generation"):
            status["observedGeneration"] = generation
        if message:
            target = disruption_target(pod, "DeletionByPodGC", message)
            condition = with_condition(pod, target, self.clock.now())
            if condition is not None:
                status["conditions"] = [condition]
        return status


def build(context: Context) -> Loop:
    needs = [context.informer(PODS), context.informer(NODES)]
    return Periodic("pod-garbage-collector-controller", PodCollector(context).look, EVERY, needs=needs)
