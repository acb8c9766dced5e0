"""The kinds this server has built in: one folder per group, one file per kind, tables written out.

A new group is a package here with a RESOURCES table, and one line in GROUPS. `resources()` imports them when called.
"""

from __future__ import annotations

from importlib import import_module

from apiserver.registry.declarations import check
from apiserver.registry.resource import Resource

# Packages with a RESOURCES table, in the order of upstream's /apis.
GROUPS: tuple[str, ...] = (
    "core",
    "authentication",
    "authorization",
    "apps",
    "batch",
    "certificates",
    "rbac",
    "scheduling",
    "autoscaling",
    "coordination",
    "discovery",
    "events",
    "networking",
    "node",
    "policy",
    "storage",
    "flowcontrol",
    "resource",
    "storagemigration",
)


def resources() -> tuple[Resource, ...]:
    """Every built-in Resource, group by group. Raises DeclarationError for one that cannot be served."""
    found: list[Resource] = []
    for group in GROUPS:
        found.extend(import_module(f"apiserver.api.{group}").RESOURCES)
    check(found)
    return tuple(found)
