"""Columns of the two kinds of bindings (upstream pkg/printers/internalversion/printers.go, rbac.SubjectsStrings)."""

from __future__ import annotations

from apiserver.api.columns import AGE, NAME
from apiserver.apimachinery.objects import Object
from apiserver.registry.resource import Column


def _role(obj: Object, now: float) -> str:
    ref = obj.get("roleRef") or {}
    return f"{ref.get('kind') or ''}/{ref.get('name') or ''}"


def _names(obj: Object, kind: str) -> str:
    return ", ".join(s.get("name") or "" for s in obj.get("subjects") or () if s.get("kind") == kind)


def _service_accounts(obj: Object, now: float) -> str:
    accounts = [s for s in obj.get("subjects") or () if s.get("kind") == "ServiceAccount"]
    return ", ".join(f"{s.get('namespace') or ''}/{s.get('name') or ''}" for s in accounts)


def binding_columns(kind: str, role_description: str) -> tuple[Column, ...]:
    """`kind` as the descriptions write it: roleBinding, clusterRoleBinding."""
    return (
        NAME,
        Column("Role", _role, description=role_description),
        AGE,
        Column("Users", lambda obj, now: _names(obj, "User"), description=f"Users in the {kind}", priority=1),
        Column("Groups", lambda obj, now: _names(obj, "Group"), description=f"Groups in the {kind}", priority=1),
        Column("ServiceAccounts", _service_accounts, description=f"ServiceAccounts in the {kind}", priority=1),
    )
