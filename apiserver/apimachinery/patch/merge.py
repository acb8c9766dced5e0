"""JSON merge patch (RFC 7386), as evanphx/json-patch does it."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.errors import bad_request
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.patch.copying import working_copy
from apiserver.apimachinery.patch.errors import json_type


def merge_patch(obj: Object, patch: Any, *, in_place: bool = False) -> Object:
    """`obj` with `patch` merged in: null removes, objects are merged, everything else replaces."""
    if patch is None:
        raise bad_request("Invalid JSON Patch")
    if not isinstance(patch, dict):
        go = f"json: cannot unmarshal {json_type(patch)} into Go value of type map[string]interface {{}}"
        raise bad_request(f"error decoding patch: {go}")
    result: Object = obj if in_place else working_copy(obj)
    _merge(result, patch)
    return result


def _merge(target: dict[str, Any], patch: dict[str, Any]) -> None:
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(current := target.get(key), dict):
            if isinstance(value, dict):
                _merge(current, value)
            else:
                target[key] = value  # upstream leaves nulls inside such a list alone
        else:
            target[key] = _without_nulls(value)


def _without_nulls(value: Any) -> Any:
    """A new value as it is added: nulls in objects mean absence, at any depth; nulls in lists stay."""
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(v) for v in value]
    return value
