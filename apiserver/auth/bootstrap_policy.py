"""The RBAC policy a server starts with, as data: made by hack/update_rbac_policy.py from a real server."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import orjson

from apiserver.apimachinery.objects import Object
from apiserver.auth.authorizers.rules import Rule, rules_of

GROUP = "rbac.authorization.k8s.io"
NODE_ROLE = "system:node"
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}

KINDS = {
    "clusterroles": "ClusterRole",
    "clusterrolebindings": "ClusterRoleBinding",
    "roles": "Role",
    "rolebindings": "RoleBinding",
}

_FILE = Path(__file__).resolve().parent.parent / "generated" / "rbac_policy.json"


def _data() -> dict[str, list[dict[str, Any]]]:
    return orjson.loads(_FILE.read_bytes())  # type: ignore[no-any-return]


def bootstrap_objects() -> dict[str, list[Object]]:
    """Fresh objects by resource, complete but for what a server sets itself."""
    return {resource: [_object(resource, entry) for entry in entries] for resource, entries in _data().items()}


def _object(resource: str, entry: dict[str, Any]) -> Object:
    meta: dict[str, Any] = {"name": entry["name"]}
    if "namespace" in entry:
        meta["namespace"] = entry["namespace"]
    meta["labels"] = {**LABELS, **entry.get("labels", {})}
    meta["annotations"] = {AUTOUPDATE: "true"}
    obj: Object = {"kind": KINDS[resource], "apiVersion": f"{GROUP}/v1", "metadata": meta}
    if resource in ("clusterroles", "roles"):
        obj["rules"] = entry.get("rules")
    for key in ("aggregationRule", "subjects", "roleRef"):
        if key in entry:
            obj[key] = entry[key]
    return obj


@cache
def node_rules() -> tuple[Rule, ...]:
    """What every node may do (ClusterRole system:node)."""
    role = next(entry for entry in _data()["clusterroles"] if entry["name"] == NODE_ROLE)
    return rules_of(role)
