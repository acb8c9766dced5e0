"""The 409 of an apply that would change what others own, in upstream's words (managedfields/internal/conflict.go)."""

from __future__ import annotations

import json

from apiserver.apimachinery.apply.elements import path_text
from apiserver.apimachinery.apply.managed import UPDATE, ManagerKey
from apiserver.apimachinery.apply.updater import Conflicts
from apiserver.apimachinery.errors import StatusError, apply_conflict


def conflict_error(conflicts: Conflicts) -> StatusError:
    """One cause per manager and path."""
    found = [(manager_text(key), path_text(path)) for key, path in conflicts.each()]
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": path}
        for manager, path in found
    ]
    return apply_conflict(causes, _message(found))


def _message(found: list[tuple[str, str]]) -> str:
    if len(found) == 1:
        manager, path = found[0]
        return f"Apply failed with 1 conflict: conflict with {manager}: {path}"
    by_manager: dict[str, list[str]] = {}
    for manager, path in found:
        by_manager.setdefault(manager, []).append(path)
    lines = []
    for manager, its_paths in by_manager.items():
        lines.append(f"conflicts with {manager}:")
        lines.extend(f"- {path}" for path in its_paths)
    return f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)


def manager_text(key: ManagerKey) -> str:
    """`"kubelet" with subresource "status" using v1`"""
    text = json.dumps(key.manager, ensure_ascii=False)
    if key.subresource:
        text += f" with subresource {json.dumps(key.subresource, ensure_ascii=False)}"
    return f"{text} using {key.api_version}" if key.operation == UPDATE else text
