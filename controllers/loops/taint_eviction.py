"""Pods that do not tolerate a NoExecute taint of their node go, at once or when their toleration ends.

Mirrors upstream pkg/controller/tainteviction. What is scheduled keeps its time until it is cancelled, which an event tells.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.client.informer import Handler
from controllers.framework import nodes as node_facts
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request, Result
from controllers.framework.kinds import NODES, PODS
from controllers.framework.manager import Loop
from controllers.framework.nodes import Taint
from controllers.framework.pod_status import disruption_target, patch_status, with_condition

NAME = "taint-eviction-controller"
WORKERS = 8
TRIES = 5
TRY_AGAIN = 0.01  # seconds


def no_execute(node: Object | None) -> list[Taint]:
    return [taint for taint in node_facts.taints_of(node) if taint["effect"] == "NoExecute"] if node else []


def patience(taints: Sequence[Taint], tolerations: Sequence[dict[str, Any]]) -> float:
    """Seconds a pod may stay on a node with these taints: 0 not at all, infinite for ever."""
    left = math.inf
    for taint in taints:
        toleration = next((t for t in tolerations if node_facts.tolerates(t, taint)), None)
        if toleration is None:
            return 0.0
        seconds = toleration.get("tolerationSeconds")
        if seconds is not None:
            left = min(left, max(float(seconds), 0.0))
    return left


class Scheduled(NamedTuple):
    """An eviction to come. `uid`: of the pod it is for."""

    due: float
    uid: str


class TaintEviction:
    """Requests are pods on nodes."""

    def __init__(self, context: Context) -> None:
        self.clock = context.clock
        self.pods = context.resource(PODS)
        informer = context.informer(PODS)
        informer.add_index("node", node_facts.node_name_index)
        self.known = informer.lister
        self.nodes = context.informer(NODES).lister
        self.recorder = context.recorder(NAME)
        self.scheduled: dict[Request, Scheduled] = {}

    async def reconcile(self, request: Request) -> Result | None:
        pod = self.known.get(*request)
        taints = no_execute(self.nodes.get("", pod["spec"].get("nodeName", ""))) if pod is not None else []
        if pod is None or not taints:
            self._cancel(request)
            return None
        seconds = patience(taints, pod["spec"].get("tolerations") or ())
        if seconds == math.inf:
            self._cancel(request)
            return None
        now, uid = self.clock.now(), pod["metadata"]["uid"]
        scheduled = self.scheduled.get(request)
        if scheduled is not None and scheduled.uid != uid:
            self._cancel(request)
            scheduled = None
        if seconds > 0:
            if scheduled is None:
                scheduled = self.scheduled[request] = Scheduled(now + seconds, uid)
            if now < scheduled.due:
                return Result(after=scheduled.due - now)
        else:
            self._cancel(request)
        await self._evict(request)
        self.scheduled.pop(request, None)  # not before: what failed is due still
        return None

    def _cancel(self, request: Request) -> None:
        if self.scheduled.pop(request, None) is not None:
            self._tell(request, f"Cancelling deletion of Pod {request}")

    def _tell(self, request: Request, message: str) -> None:
        metadata = {"name": request.name, "namespace": request.namespace}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
        self.recorder.event(pod, "Normal", "TaintManagerEviction", message)

    async def _evict(self, request: Request) -> None:
        self._tell(request, f"Marking for deletion Pod {request}")
        for attempt in range(TRIES):
            try:
                await self._mark_and_delete(request)
                return
            except StatusError as error:
                if error.code == 404:
                    return
                if attempt + 1 == TRIES:
                    raise
            await asyncio.sleep(TRY_AGAIN)

    async def _mark_and_delete(self, request: Request) -> None:
        pod = await self.pods.get(request.name, request.namespace)
        target = disruption_target(pod, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")
        condition = with_condition(pod, target, self.clock.now())
        if condition is not None:
            await patch_status(self.pods, pod, {"conditions": [condition]})
        await self.pods.delete(request.name, request.namespace)


def _pod_handler(reconciler: TaintEviction, controller: Controller) -> Handler:
    """Only what may change the decision: a new pod, its node, its tolerations; an end where something was scheduled."""

    def request(pod: Object) -> Request:
        return Request(pod["metadata"]["namespace"], pod["metadata"]["name"])

    def added(pod: Object) -> None:
        if no_execute(reconciler.nodes.get("", pod["spec"].get("nodeName", ""))):
            controller.queue.add(request(pod))

    def updated(old: Object, new: Object) -> None:
        if (old["spec"].get("nodeName"), old["spec"].get("tolerations")) != (
            new["spec"].get("nodeName"),
            new["spec"].get("tolerations"),
        ):
            added(new)

    def deleted(pod: Object) -> None:
        if request(pod) in reconciler.scheduled:
            controller.queue.add(request(pod))

    return Handler(added=added, updated=updated, deleted=deleted)


def _node_handler(reconciler: TaintEviction, controller: Controller) -> Handler:
    def pods_of(node: Object) -> None:
        for pod in reconciler.known.by_index("node", node["metadata"]["name"]):
            controller.queue.add(Request(pod["metadata"]["namespace"], pod["metadata"]["name"]))

    def added(node: Object) -> None:
        if no_execute(node):
            pods_of(node)

    def updated(old: Object, new: Object) -> None:
        if no_execute(old) != no_execute(new):
            pods_of(new)

    return Handler(added=added, updated=updated)


def build(context: Context) -> Loop:
    reconciler = TaintEviction(context)
    controller = Controller(NAME, reconciler, workers=WORKERS)
    pods, nodes = context.informer(PODS), context.informer(NODES)
    pods.add_handler(_pod_handler(reconciler, controller))
    nodes.add_handler(_node_handler(reconciler, controller))
    controller.needs(pods)
    controller.needs(nodes)
    return controller
