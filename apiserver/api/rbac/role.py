"""Role: rights inside one namespace."""

from __future__ import annotations

from apiserver.api.columns import DEFAULT_COLUMNS
from apiserver.api.rbac.escalation import role_hooks
from apiserver.api.rbac.policy_rules import GROUP, RoleStrategy
from apiserver.registry.resource import Resource, ServedVersion

RESOURCE = Resource(
    group=GROUP,
    plural="roles",
    kind="Role",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=RoleStrategy(),
    empty={"rules": None},
    columns=DEFAULT_COLUMNS,
    hooks=role_hooks,
)
