"""What the scheduler writes into a pod's status: the PodScheduled condition and the nominated node."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import STRATEGIC_PATCH, ResourceClient
from controllers.scheduler.queue.nominator import Nominating, nominated_node

SCHEDULED = "PodScheduled"
UNSCHEDULABLE = "Unschedulable"
SCHEDULER_ERROR = "SchedulerError"


def failed_condition(pod: Object, reason: str, message: str, now: float) -> dict[str, Any] | None:
    """The PodScheduled=False condition to write; None when the pod says just that already."""
    wanted: dict[str, Any] = {"type": SCHEDULED, "status": "False", "reason": reason, "message": message}
    if generation := pod["metadata"].get("generation"):
        wanted["observedGeneration"] = generation
    old: dict[str, Any] = next(
        (c for c in (pod.get("status") or {}).get("conditions") or () if c["type"] == SCHEDULED), {}
    )
    if all(old.get(key) == value for key, value in wanted.items()):
        return None
    same = old.get("status") == "False" and old.get("lastTransitionTime")
    return {**wanted, "lastProbeTime": None, "lastTransitionTime": old["lastTransitionTime"] if same else rfc3339(now)}


def status_patch(pod: Object, condition: dict[str, Any] | None, nominating: Nominating | None) -> dict[str, Any] | None:
    """A strategic merge patch of the status; None when nothing is to be changed. The uid guards against a namesake."""
    status: dict[str, Any] = {}
    if condition is not None:
        there = [c["type"] for c in (pod.get("status") or {}).get("conditions") or ()]
        order = there if condition["type"] in there else [*there, condition["type"]]
        status["$setElementOrder/conditions"] = [{"type": name} for name in order]
        status["conditions"] = [condition]
    if nominating is not None and nominating.node != nominated_node(pod):
        status["nominatedNodeName"] = nominating.node or None
    if not status:
        return None
    return {"metadata": {"uid": pod["metadata"]["uid"]}, "status": status}


async def patch_status(pods: ResourceClient, pod: Object, patch: dict[str, Any] | None) -> None:
    """Raises what the client raises."""
    if patch is not None:
        meta = pod["metadata"]
        await pods.patch(meta["name"], meta.get("namespace") or "", patch, type=STRATEGIC_PATCH, subresource="status")


def bound_elsewhere(pod: Object) -> bool:
    return bool(pod["spec"].get("nodeName"))
