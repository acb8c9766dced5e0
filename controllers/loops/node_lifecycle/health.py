"""When a node last gave a sign of life, and what its conditions become when it stops.

Mirrors upstream node_lifecycle_controller.go tryUpdateNodeHealth. A sign is a new heartbeat of the Ready condition or a
renewed lease, at the time when *we* saw it: clocks of nodes are not trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import parse_rfc3339, rfc3339
from apiserver.apimachinery.objects import Object
from controllers.framework import pods as pod_facts

# NetworkUnavailable is not the kubelet's to report.
CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


def ready_condition(node: Object) -> dict[str, Any] | None:
    return pod_facts.condition(node, "Ready")


def ready_status(node: Object) -> str | None:
    """True, False or Unknown; None where nobody said."""
    condition = ready_condition(node)
    return condition["status"] if condition is not None else None


@dataclass
class Health:
    """What is remembered of one node."""

    probed: float
    ready: dict[str, Any] | None  # the condition when it was last looked at
    renewed: str = ""  # the lease's renewTime
    lease_version: str = ""


def observe(health: Health | None, node: Object, lease: Object | None, now: float) -> Health:
    """The memory of a node after a look at it and its lease."""
    current = ready_condition(node)
    if current is None and health is None:
        seen = Health(parse_rfc3339(node["metadata"]["creationTimestamp"]), None)
    elif health is None or (health.ready is None) != (current is None):
        seen = Health(now, current)
    elif _heartbeat(health.ready) != _heartbeat(current):
        seen = Health(now, current, health.renewed, health.lease_version)
    else:
        seen = Health(health.probed, current, health.renewed, health.lease_version)
    renewed = ((lease or {}).get("spec") or {}).get("renewTime") or ""
    if lease is not None and renewed > seen.renewed:
        return Health(now, current, renewed, lease["metadata"]["resourceVersion"])
    return seen


def _heartbeat(condition: dict[str, Any] | None) -> str | None:
    return condition.get("lastHeartbeatTime") if condition is not None else None


def silenced(node: Object, now: float) -> list[dict[str, Any]]:
    """The conditions of a node that has been silent too long: what the kubelet reports is not known any more."""
    conditions: list[dict[str, Any]] = objects.copy((node.get("status") or {}).get("conditions") or [])
    by_type = {condition["type"]: condition for condition in conditions}
    moment = rfc3339(now)
    for kind in CONDITIONS:
        condition = by_type.get(kind)
        if condition is None:
            never = {
                "type": kind,
                "status": "Unknown",
                "reason": "NodeStatusNeverUpdated",
                "message": "Kubelet never posted node status.",
                "lastHeartbeatTime": node["metadata"]["creationTimestamp"],
                "lastTransitionTime": moment,
            }
            conditions.append(never)
        elif condition["status"] != "Unknown":
            condition["status"] = "Unknown"
            condition["reason"] = "NodeStatusUnknown"
            condition["message"] = "Kubelet stopped posting node status."
            condition["lastTransitionTime"] = moment
    return conditions
