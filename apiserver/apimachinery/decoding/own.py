"""Types of what is read of a kind with a schema of its own: refused as Go's decoder refuses a struct's fields."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.decoding.exact import DecodeError
from apiserver.apimachinery.schema import BOOLEAN, INT_OR_STRING, INTEGER, LIST, MAP, NUMBER, OBJECT, STRING, Schema

_GO = {OBJECT: "struct", MAP: "map[string]interface {}", LIST: "[]interface {}", STRING: "string", BOOLEAN: "bool"}


def check_types(obj: dict[str, Any], schema: Schema) -> None:
    """Raise DecodeError at the first value whose type is not the schema's; null counts as absent. Metadata is others' work."""
    for name, value in obj.items():
        if name != "metadata" and (below := schema.properties.get(name)) is not None:
            _check(value, below, schema.go_type, name)


def _check(value: Any, schema: Schema, kind: str, path: str) -> None:
    if value is None:
        return
    if not _fits(value, schema):
        where = f"Go struct field {kind}.{path} of type {_go_type(schema)}"
        raise DecodeError(f"json: cannot unmarshal {_shown(value)} into {where}")
    if isinstance(value, dict):
        for name, inner in value.items():
            below = schema.properties.get(name, schema.additional)
            if below is not None:
                _check(inner, below, kind, f"{path}.{name}")
    elif isinstance(value, list) and schema.items is not None:
        for inner in value:
            _check(inner, schema.items, kind, path)


def _fits(value: Any, schema: Schema) -> bool:
    kind = schema.type
    if kind in (OBJECT, MAP):
        return isinstance(value, dict)
    if kind == LIST:
        return isinstance(value, list)
    if kind == STRING:
        return isinstance(value, str)
    if kind == BOOLEAN:
        return isinstance(value, bool)
    if kind == INTEGER:
        bits = 31 if schema.format == "int32" else 63
        return isinstance(value, int) and not isinstance(value, bool) and -(1 << bits) <= value < 1 << bits
    if kind == NUMBER:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == INT_OR_STRING:
        return isinstance(value, int | str) and not isinstance(value, bool)
    return True


def _go_type(schema: Schema) -> str:
    if schema.go_type:
        return schema.go_type
    if schema.type == INTEGER:
        return schema.format or "int64"
    return "float64" if schema.type == NUMBER else _GO.get(schema.type, schema.type)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return f"number {value}"
    if isinstance(value, dict | list):
        return "object" if isinstance(value, dict) else "array"
    return "string" if isinstance(value, str) else "number"
