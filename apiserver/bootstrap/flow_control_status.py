"""Tells in each FlowSchema's status whether the priority level it names exists.

Mirrors what upstream apiserver/pkg/util/flowcontrol/apf_controller.go writes; the sorting of requests itself is not built.
"""

from __future__ import annotations

import asyncio

from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.errors import StatusError, go_quote
from apiserver.apimachinery.objects import Object, get, name_of
from apiserver.bootstrap.context import BootstrapContext, Hook, attempt
from apiserver.bootstrap.flow_control import LEVELS, SCHEMAS
from apiserver.storage.cacher.record import Change
from apiserver.storage.cacher.snapshot import Snapshot

MANAGER = "api-priority-and-fairness-config-consumer-v1"
API_VERSION = "flowcontrol.apiserver.k8s.io/v1"
PAUSE = 1.0  # seconds between two looks: somebody else who writes the condition must not keep us busy


class _Bell:
    """Rings at every change of what it listens to."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def on_change(self, change: Change) -> None:
        self.event.set()

    def on_reset(self, before: Snapshot, after: Snapshot | None) -> None:
        self.event.set()


async def start(context: BootstrapContext) -> None:
    context.tasks.create_task(_follow(context), name="flow-schema-status")


async def _follow(context: BootstrapContext) -> None:
    bell = _Bell()
    ends = [context.objects.store(resource).cacher.subscribe(bell) for resource in (SCHEMAS, LEVELS)]
    try:
        while True:
            bell.event.clear()
            await attempt(lambda: sync(context), "flow-schema-status")
            await asyncio.sleep(PAUSE)
            await bell.event.wait()
    finally:
        for unsubscribe in ends:
            unsubscribe()


async def sync(context: BootstrapContext) -> None:
    """Write the condition of every schema that does not have it yet."""
    levels = {name_of(level) for level in context.objects.list(LEVELS, "")}
    for schema in context.objects.list(SCHEMAS, ""):
        wanted = condition(schema, levels)
        if not _has(schema, wanted):
            await _apply(context, name_of(schema), {**wanted, "lastTransitionTime": rfc3339(context.clock.now())})


def condition(schema: Object, levels: set[str]) -> Object:
    level = get(schema, "spec", "priorityLevelConfiguration", "name", default="")
    names = f"This FlowSchema references the PriorityLevelConfiguration object named {go_quote(level)}"
    if level in levels:
        return {"type": "Dangling", "status": "False", "reason": "Found", "message": f"{names} and it exists"}
    message = f"{names} but there is no such object"
    return {"type": "Dangling", "status": "True", "reason": "NotFound", "message": message}


def _has(schema: Object, wanted: Object) -> bool:
    conditions = get(schema, "status", "conditions", default=())
    return any(all(one.get(key) == value for key, value in wanted.items()) for one in conditions)


async def _apply(context: BootstrapContext, name: str, wanted: Object) -> None:
    applied = {
        "kind": "FlowSchema",
        "apiVersion": API_VERSION,
        "metadata": {"name": name},
        "status": {"conditions": [wanted]},
    }
    try:
        await context.objects.apply_status(SCHEMAS, applied, MANAGER, _complete)
    except StatusError as e:
        if e.reason != "NotFound":  # it has just been deleted
            raise


def _complete(obj: Object) -> None:
    """Nothing of a condition is written when it is empty."""


HOOK = Hook("priority-and-fairness-config-consumer", start, (SCHEMAS, LEVELS))
