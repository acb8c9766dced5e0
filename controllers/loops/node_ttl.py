"""Nodes are told how long their kubelet may keep secrets and config maps: the longer, the larger the cluster.

Mirrors upstream pkg/controller/ttl. The steps overlap, so that a cluster between two of them does not flap.
"""

from __future__ import annotations

from typing import NamedTuple

from apiserver.apimachinery import objects
from apiserver.client.resources import STRATEGIC_PATCH
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request
from controllers.framework.kinds import NODES
from controllers.framework.manager import Loop

WORKERS = 5
ANNOTATION = "node.alpha.kubernetes.io/ttl"


class Step(NamedTuple):
    """From `smallest` to `largest` nodes: so many seconds."""

    smallest: int
    largest: float
    seconds: int


STEPS = (Step(0, 100, 0), Step(90, 500, 15), Step(450, 1000, 30), Step(900, 2000, 60), Step(1800, float("inf"), 300))


def step_after(step: int, count: int) -> int:
    """The step of a cluster of `count` nodes that was on `step`."""
    while count > STEPS[step].largest:
        step += 1
    while count < STEPS[step].smallest:
        step -= 1
    return step


class NodeTtl:
    """Requests are nodes."""

    def __init__(self, context: Context) -> None:
        self.nodes = context.resource(NODES)
        self.known = context.informer(NODES).lister
        self.step = 0

    async def reconcile(self, request: Request) -> None:
        node = self.known.get(*request)
        self.step = step_after(self.step, len(self.known))
        if node is None:
            return
        wanted = str(STEPS[self.step].seconds)
        if objects.annotations_of(node).get(ANNOTATION) != wanted:
            patch = {"metadata": {"annotations": {ANNOTATION: wanted}}}
            await self.nodes.patch(request.name, "", patch, type=STRATEGIC_PATCH)


def build(context: Context) -> Loop:
    controller = Controller("ttl-controller", NodeTtl(context), workers=WORKERS)
    controller.watch(context.informer(NODES))
    return controller
