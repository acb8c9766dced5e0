"""Conditions of pods: set with the time of their last transition, and written as a patch that cannot hit another pod."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import STRATEGIC_PATCH, ResourceClient
from controllers.framework import pods as pod_facts


def with_condition(pod: Object, condition: dict[str, Any], now: float) -> dict[str, Any] | None:
    """A condition ready to be written; None when the pod says it already (upstream UpdatePodCondition)."""
    old = pod_facts.condition(pod, condition["type"])
    new = {**condition, "lastTransitionTime": rfc3339(now)}
    if old is None:
        return new
    if old.get("status") == new["status"] and old.get("lastTransitionTime"):
        new["lastTransitionTime"] = old["lastTransitionTime"]
    return None if {k: v for k, v in old.items() if v is not None} == new else new


def disruption_target(pod: Object, reason: str, message: str) -> dict[str, Any]:
    """The condition that says why somebody else than its owner ends a pod."""
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}
    generation = pod["metadata"].get("generation")
    return condition | ({"observedGeneration": generation} if generation else {})


async def patch_status(pods: ResourceClient, pod: Object, status: dict[str, Any]) -> Object:
    """Patch a pod's status, conditions by their type; a pod of the same name that came after it is not touched."""
    meta = pod["metadata"]
    patch = {"metadata": {"uid": meta["uid"]}, "status": objects.copy(status)}
    return await pods.patch(meta["name"], meta["namespace"], patch, type=STRATEGIC_PATCH, subresource="status")
