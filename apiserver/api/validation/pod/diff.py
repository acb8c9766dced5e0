"""The difference between two PodSpecs as upstream tells it: a unified diff of its internal types as indented JSON.

The types come from `generated/pod_spec_types.json` (hack/update_internal_types.py): Go's field names, every field there.
"""

from __future__ import annotations

import json
from difflib import unified_diff
from functools import lru_cache
from pathlib import Path
from typing import Any

from apiserver.apimachinery.objects import Object

_TYPES = Path(__file__).resolve().parents[3] / "generated" / "pod_spec_types.json"
_ZERO: dict[str, Any] = {"bool": False, "string": "", "int32": 0, "int64": 0, "resource.Quantity": "0"}

Fields = dict[str, list[tuple[str, str, str]]]


@lru_cache(maxsize=1)
def _types() -> Fields:
    return json.loads(_TYPES.read_bytes())  # type: ignore[no-any-return]


def _internal(value: Any, kind: str) -> Any:
    """A wire value as Go's encoding/json writes the internal type."""
    if kind[0] == "*":
        return None if value is None else _internal(value, kind[1:])
    if kind.startswith("[]"):
        return [_internal(item, kind[2:]) for item in value] if value else None
    if kind.startswith("map["):
        return dict(sorted(value.items())) if value else None
    if kind in _types():
        return _struct(value or {}, kind)
    if kind == "intstr.IntOrString":
        return value or 0
    return _ZERO.get(kind) if value is None else value


def _struct(obj: Object, kind: str) -> Object:
    shown: Object = {}
    for go_name, wire_name, field_kind in _types()[kind]:
        if go_name:
            shown[go_name] = _internal(obj.get(wire_name), field_kind)
        elif field_kind == "metav1.ObjectMeta":
            shown.update({key: value for key, value in (obj.get("metadata") or {}).items() if value})
        else:
            shown.update(_struct(obj, field_kind))
    return shown


def _lines(obj: Object, kind: str) -> list[str]:
    text = json.dumps(_struct(obj, kind), indent=1, ensure_ascii=False)
    for char, escaped in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(char, escaped)
    return (text + "\n").splitlines(keepends=True)


def _diff(old: Object, new: Object, kind: str) -> str:
    lines = unified_diff(_lines(old, kind), _lines(new, kind), n=3)
    return "".join(line for line in lines if not line.startswith(("--- ", "+++ ")))


def spec_diff(old: Object, new: Object) -> str:
    """Of two PodSpecs."""
    return _diff(old, new, "PodSpec")


def ephemeral_container_diff(old: Object, new: Object) -> str:
    return _diff(old, new, "EphemeralContainer")


def claim_spec_diff(old: Object, new: Object) -> str:
    """Of two PersistentVolumeClaimSpecs."""
    return _diff(old, new, "PersistentVolumeClaimSpec")


def volume_source_diff(old: Object, new: Object) -> str:
    """Of the sources of two PersistentVolumes."""
    return _diff(old, new, "PersistentVolumeSource")
