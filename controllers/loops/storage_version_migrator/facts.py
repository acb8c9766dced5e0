"""Conditions of migrations, and what upstream's say (pkg/controller/storageversionmigrator/util.go): pure functions."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.objects import Object
from controllers.framework import pods as pod_facts
from controllers.framework.conditions import with_condition
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
    """A copy that says so; None when nothing changes."""
    status = migration.get("status") or {}
    before = after = list(status.get("conditions") or ())
    for condition in conditions:
        after = with_condition(after, condition, now)
    return {**migration, "status": {**status, "conditions": after}} if after != before else None


def condition(kind: str, message: str) -> dict[str, Any]:
    return {"type": kind, "status": "True", "reason": REASONS[kind], "message": message}
