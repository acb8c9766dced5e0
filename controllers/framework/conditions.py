"""Conditions of objects, brought up to date (upstream meta.SetStatusCondition); pods' are in pod_status."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apiserver.apimachinery.clock import rfc3339

Condition = dict[str, Any]


def with_condition(conditions: Iterable[Condition], condition: Condition, now: float) -> list[Condition]:
    """The conditions with this one in the place of its type's, or last; the time moves only with the status."""
    found = list(conditions)
    index = next((i for i, old in enumerate(found) if old["type"] == condition["type"]), len(found))
    old = found[index] if index < len(found) else {}
    since = old["lastTransitionTime"] if old.get("status") == condition["status"] else rfc3339(now)
    found[index : index + 1] = [{**condition, "lastTransitionTime": since}]
    return found
