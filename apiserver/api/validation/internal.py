"""Wire objects as Go's encoding/json writes upstream's *internal* types, which is how they appear in errors.

The types come from `generated/internal_types.json` (hack/update_internal_types.py): Go's field names, every field there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from apiserver.apimachinery.errors import FieldError, invalid
from apiserver.apimachinery.object_meta import IMMUTABLE
from apiserver.apimachinery.objects import Object
from apiserver.registry.metadata import META_ORDER

_TYPES = Path(__file__).resolve().parents[2] / "generated" / "internal_types.json"
_ZERO: dict[str, Any] = {"bool": False, "string": "", "types.UID": "", "int32": 0, "int64": 0, "resource.Quantity": "0"}

Fields = dict[str, list[tuple[str, str, str]]]


@lru_cache(maxsize=1)
def _types() -> Fields:
    return json.loads(_TYPES.read_bytes())  # type: ignore[no-any-return]


def internal(value: Any, kind: str) -> Any:
    """A wire value as Go's encoding/json writes the internal type `kind`: `PodSpec`, `*SuccessPolicy`, `[]string`."""
    if kind[0] == "*":
        return None if value is None else internal(value, kind[1:])
    if kind == "[]byte":  # base64 on both sides
        return value or None
    if kind.startswith("[]"):
        return [internal(item, kind[2:]) for item in value] if value is not None else None
    if kind.startswith("map["):
        return dict(sorted(value.items())) if value else None
    if kind == "metav1.LabelSelector":
        return label_selector(value or {})
    if kind in _types():
        return _struct(value or {}, kind)
    if kind == "intstr.IntOrString":
        return 0 if value is None else value
    return _ZERO.get(kind) if value is None else value


def _struct(obj: Object, kind: str) -> Object:
    shown: Object = {}
    for go_name, wire_name, field_kind in _types()[kind]:
        if go_name:
            shown[go_name] = internal(obj.get(wire_name), field_kind)
        elif field_kind == "metav1.ObjectMeta":
            shown.update(_metadata(obj.get("metadata") or {}))
        elif field_kind != "metav1.TypeMeta":  # what stands inside another object has lost it
            shown.update(_struct(obj, field_kind))
    return shown


def _metadata(meta: Object) -> Iterator[tuple[str, Any]]:
    for key in META_ORDER:
        if value := meta.get(key):
            yield key, dict(sorted(value.items())) if isinstance(value, dict) else value


def label_selector(selector: Object | None) -> Object | None:
    """A metav1.LabelSelector as Go writes it."""
    if selector is None:
        return None
    shown: Object = {}
    if selector.get("matchLabels"):
        shown["matchLabels"] = dict(sorted(selector["matchLabels"].items()))
    if selector.get("matchExpressions"):
        shown["matchExpressions"] = [_requirement(r) for r in selector["matchExpressions"]]
    return shown


def _requirement(requirement: Object) -> Object:
    shown = {field: requirement.get(field) or "" for field in ("key", "operator")}
    if requirement.get("values"):
        shown["values"] = requirement["values"]
    return shown


def immutable_internal(value: Any, old: Any, kind: str, path: str) -> Iterator[FieldError]:
    """Upstream ValidateImmutableField for a value of an internal type."""
    if (value or None) != (old or None):
        yield invalid(path, internal(value, kind), IMMUTABLE)
