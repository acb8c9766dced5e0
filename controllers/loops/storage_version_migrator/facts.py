"""Conditions of migrations, and what upstream's say (pkg/controller/storageversionmigrator/util.go): pure functions."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.objects import Object
from controllers.framework import pods as pod_facts
from controllers.framework.controller import Request

RUNNING, SUCCEEDED, FAILED = "Running", "Succeeded", "Failed"
REASONS = {
    RUNNING: "MigrationRunning",
    SUCCEEDED: "StorageVersionMigrationSucceeded",
    FAILED: "StorageVersionMigrationFailed",
}


def is_true(migration: Object, kind: str) -> bool:
    condition = pod_facts.condition(migration, kind)
    return condition is not None and condition["status"] == "True"


def has_ended(migration: Object) -> bool:
    return is_true(migration, SUCCEEDED) or is_true(migration, FAILED)


def resource_of(migration: Object) -> Request:
    """What is migrated: its group in the place of a namespace."""
    resource = migration["spec"]["resource"]
    return Request(resource.get("group") or "", resource["resource"])


def checkpoint(migration: Object) -> str:
    """The revision that objects must have come after, to be left alone."""
    return (migration.get("status") or {}).get("resourceVersion") or ""


def running_message(left: int, total: int, error: Exception | None = None) -> str:
    message = "The migration is running"
    if total and left:
        message += f", {left}/{total} objects not yet migrated"
    elif total:
        message += f", {total} objects verified migrated"
    return f"{message}; transient error: {error}" if error is not None else message


def with_conditions(migration: Object, now: float, *conditions: dict[str, Any]) -> Object | None:
    """A copy that says so; None when nothing changes (upstream meta.SetStatusCondition)."""
    changed = objects.copy(migration)
    status = changed.setdefault("status", {})
    before = list(status.get("conditions") or ())
    after = list(before)
    for condition in conditions:
        index = next((i for i, old in enumerate(after) if old["type"] == condition["type"]), len(after))
        old = after[index] if index < len(after) else {}
        moment = old["lastTransitionTime"] if old.get("status") == condition["status"] else rfc3339(now)
        after[index : index + 1] = [{**old, **condition, "lastTransitionTime": moment}]
    status["conditions"] = after
    return changed if after != before else None


def condition(kind: str, message: str) -> dict[str, Any]:
    return {"type": kind, "status": "True", "reason": REASONS[kind], "message": message}
