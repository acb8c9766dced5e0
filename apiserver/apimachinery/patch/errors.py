"""How upstream words what is wrong with a patch: Go's names of JSON types, Go's printing of maps, the 422 without a kind."""

from __future__ import annotations

import json
from typing import Any

from apiserver.apimachinery.errors import StatusError, invalid, invalid_object
from apiserver.apimachinery.gvk import GroupKind
from apiserver.apimachinery.objects import Object

REJECTED = "the server rejected our request due to an error in our request"


def json_type(value: Any) -> str:
    """What encoding/json calls a value it cannot put where it belongs: `number`, `object`, …"""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, dict):
        return "object"
    return "array" if isinstance(value, list) else "number"


def go_type(value: Any) -> str:
    """The Go type a JSON value is decoded into, as reflect prints it."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, dict):
        return "map[string]interface {}"
    if isinstance(value, list):
        return "[]interface {}"
    return "int64" if isinstance(value, int) else "float64"


def go_print(value: Any) -> str:
    """A JSON value as Go's `%v` prints it: `map[a:1 b:[x y]]`."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{go_print(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(go_print(item) for item in value) + "]"
    return str(value)


def go_string(value: Any) -> str:
    """A JSON value as Go's `%s` prints it, which is made for strings: `%!s(int64=5)`."""
    if isinstance(value, str):
        return value
    if value is None:
        return "%!s(<nil>)"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{go_string(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(go_string(item) for item in value) + "]"
    return f"%!s({go_type(value)}={go_print(value)})"


def rejected() -> StatusError:
    """422 for a patch that does not fit the object. Upstream hides the reason (NewGenericServerResponse)."""
    return StatusError(422, "Invalid", REJECTED, {})


def unexpected(message: str) -> StatusError:
    """An error upstream has no code for: a 500 with the bare message, no reason."""
    return StatusError(500, "", message)


def _invalid_patch(value: str, detail: str) -> StatusError:
    return invalid_object(GroupKind("", ""), "", [invalid("patch", value, detail)])


def invalid_patched(patched: Object, detail: str) -> StatusError:
    """422 after a JSON or merge patch: the patched object, as JSON, does not decode."""
    ordered = {key: patched[key] for key in sorted(patched)} if isinstance(patched, dict) else patched
    return _invalid_patch(json.dumps(ordered, separators=(",", ":"), ensure_ascii=False), detail)


def invalid_patch_map(patch: Object, detail: str) -> StatusError:
    """422 after a strategic merge patch: the patched object does not decode; upstream shows the patch."""
    return _invalid_patch(go_print(patch), detail)
