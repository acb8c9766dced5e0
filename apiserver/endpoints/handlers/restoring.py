"""What upstream says of a strategically patched object that is none of its kind: it does not decode text there, it
restores a struct from a map, with words of its own (apimachinery/pkg/runtime/converter.go)."""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.apimachinery.decoding import types as t
from apiserver.apimachinery.decoding.exact import DecodeError, Decoder, parse
from apiserver.apimachinery.decoding.types import GoType, struct_fields, struct_type
from apiserver.apimachinery.objects import Object, copy

_SCALARS = (t.STRING, t.BOOL, t.INT, t.UINT, t.FLOAT)
_RESTORED = {t.STRUCT: "struct from: ", t.MAP: "map from ", t.SLICE: "slice from "}


def restore_error(obj: Any, definition: str) -> str:
    """The first thing that does not fit, "" where everything does."""
    return _error(obj, struct_type(definition))


def with_go_numbers(obj: Object, definition: str) -> Object:
    """A copy of what has no such fault, its numbers as Go converts them: whole floats, and the low bits of what is larger."""
    found: Object = _converted(obj, struct_type(definition))
    return found


def _converted(value: Any, type: GoType) -> Any:
    type = type.pointee
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value, type)
    if isinstance(value, list) and type.kind == t.SLICE:
        return [_converted(item, type.inner) for item in value]
    if isinstance(value, dict) and type.kind == t.MAP:
        return {key: _converted(item, type.inner) for key, item in value.items()}
    if isinstance(value, dict) and type.kind == t.STRUCT:
        fields = struct_fields(type.struct)
        return {key: _converted(item, fields[key].type) if key in fields else copy(item) for key, item in value.items()}
    return copy(value)


def _number(value: float, type: GoType) -> float:
    if type.kind not in (t.INT, t.UINT):
        return value
    whole = int(value) if abs(value) < 2**63 else -(2**63)  # what amd64 makes of a float that no int64 holds
    low = whole % (1 << type.bits)
    return low - (1 << type.bits) if type.kind == t.INT and low >> (type.bits - 1) else low


def _error(value: Any, type: GoType) -> str:
    if value is None:
        return ""
    type = type.pointee
    if type.kind in _SCALARS:
        return _scalar_error(value, type)
    if type.kind == t.ANY:
        return ""
    if type.kind == t.BYTES and isinstance(value, str):
        return _own_error(value, type, "error decoding from json: ")
    if type.kind not in (*_RESTORED, t.BYTES):
        return _own_error(value, type)
    if isinstance(value, list):
        if type.kind not in (t.SLICE, t.BYTES):
            return f"cannot restore {_RESTORED[type.kind]}slice"
        return _first(_error(item, type.inner) for item in value) if type.kind == t.SLICE else ""
    if not isinstance(value, dict) or type.kind in (t.SLICE, t.BYTES):
        return f"cannot restore {_RESTORED.get(type.kind, 'slice from ')}{_kind(value)}"
    if type.kind == t.MAP:
        return _first(_error(value[key], type.inner) for key in sorted(value))
    return _first(_error(value.get(name), field.type) for name, field in struct_fields(type.struct).items())


def _first(errors: Any) -> str:
    return next((error for error in errors if error), "")


def _scalar_error(value: Any, type: GoType) -> str:
    source = _kind(value)
    numeric = type.kind in (t.INT, t.UINT, t.FLOAT)
    if source == type.kind or (numeric and source in ("int64", "float64")):
        whole = source == "int64" or type.kind == t.FLOAT or source == type.kind or float(value).is_integer()
        return "" if whole else f"cannot convert {source} to {type.name}"
    if source == "int64" and type.kind == t.STRING:
        return f"cannot convert int64 to {type.name}"
    size = {t.INT: f"int{type.bits}", t.UINT: f"uint{type.bits}", t.FLOAT: f"float{type.bits or 64}"}
    return f"unrecognized type: {size.get(type.kind, type.kind)}"


def _own_error(value: Any, type: GoType, prefix: str = "") -> str:
    """Types with a decoder of their own are asked for it."""
    try:
        Decoder().decode(parse(orjson.dumps(value)), type)
    except DecodeError as e:
        return f"{prefix}{e}"
    return ""


def _kind(value: Any) -> str:
    """reflect's kind of a JSON value."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, dict):
        return "map"
    if isinstance(value, list):
        return "slice"
    return "int64" if isinstance(value, int) else "float64"
