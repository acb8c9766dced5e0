"""JSON patch (RFC 6902) with the habits of evanphx/json-patch v4, which upstream uses.

Its habits: `replace` of an absent key adds it, a null counts as absent on the way to a target, negative indexes count from
the end, an operation without `value` writes null.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from apiserver.apimachinery import objects
from apiserver.apimachinery.errors import bad_request, request_entity_too_large
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.patch.copying import working_copy
from apiserver.apimachinery.patch.errors import json_type, rejected

MAX_OPERATIONS = 10_000  # upstream endpoints/handlers/patch.go maxJSONPatchOperations

_INDEX = re.compile(r"[+-]?[0-9]+")  # what strconv.Atoi reads
_FIELDS = ("op", "path", "from", "value")


class _DoesNotApply(Exception):
    """The operation does not fit the document; the text is for us, upstream shows none."""


def json_patch(obj: Object, operations: Any, *, in_place: bool = False) -> Any:
    """`obj` after `operations` (the parsed patch). May be a list: a `replace` of the root can make one."""
    checked = _checked(operations)
    if len(checked) > MAX_OPERATIONS:
        raise request_entity_too_large(
            f"Request entity too large: The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(checked)}"
        )
    shares = not any(
        "managedFields" in pointer
        for operation in checked
        for pointer in (operation.get("path"), operation.get("from"))
        if pointer
    )
    document = obj if in_place else working_copy(obj, share_managed=shares)
    try:
        for operation in checked:
            document = _apply(document, operation)
    except _DoesNotApply as e:
        raise rejected() from e
    return document


def json_patch_strict_errors(operations: Any) -> list[str]:
    """What field validation says about fields that no operation has (a Warning, or part of a strict decoding error)."""
    return [
        f'json patch unknown field "[{i}].{key}"'
        for i, operation in enumerate(operations if isinstance(operations, list) else ())
        if isinstance(operation, dict)
        for key in operation
        if key not in _FIELDS
    ]


def _checked(operations: Any) -> list[dict[str, Any]]:
    """The operations, or the 400 that decoding them into Go's type gives."""
    if operations is None:
        return []
    if not isinstance(operations, list):
        raise _cannot(operations, "value of type []handlers.jsonPatchOp")
    for operation in operations:
        if operation is None:
            continue
        if not isinstance(operation, dict):
            raise _cannot(operation, "value of type handlers.jsonPatchOp")
        for field in ("op", "path", "from"):
            if not isinstance(operation.get(field), str | None):
                raise _cannot(operation[field], f"struct field jsonPatchOp.{field} of type string")
    return [operation or {} for operation in operations]


def _cannot(value: Any, where: str) -> Exception:
    return bad_request(f"error decoding patch: json: cannot unmarshal {json_type(value)} into Go {where}")


def _apply(document: Any, operation: dict[str, Any]) -> Any:
    kind = operation.get("op")
    handler = _HANDLERS.get(kind) if isinstance(kind, str) else None
    if handler is None:
        raise _DoesNotApply(f"unexpected kind: {kind}")
    path = operation.get("path")
    if path is None:
        raise _DoesNotApply("operation missing path field")
    return handler(document, path, operation)


def _add(document: Any, path: str, operation: dict[str, Any]) -> Any:
    _put(*_find(document, path), objects.copy(operation.get("value")))
    return document


def _remove(document: Any, path: str, operation: dict[str, Any]) -> Any:
    container, key = _find(document, path)
    _take(container, key)
    return document


def _replace(document: Any, path: str, operation: dict[str, Any]) -> Any:
    value = objects.copy(operation.get("value"))
    if path == "":
        if not isinstance(value, dict | list):
            raise _DoesNotApply("replace operation value must be object or array")
        return value
    container, key = _find(document, path)
    if isinstance(container, list):
        container[_position(container, key)] = value
    else:
        container[key] = value
    return document


def _move(document: Any, path: str, operation: dict[str, Any]) -> Any:
    container, key = _find(document, _from(operation))
    value = _look(container, key)
    _take(container, key)
    _put(*_find(document, path), value)
    return document


def _copy(document: Any, path: str, operation: dict[str, Any]) -> Any:
    value = _look(*_find(document, _from(operation)))
    _put(*_find(document, path), objects.copy(value))
    return document


def _test(document: Any, path: str, operation: dict[str, Any]) -> Any:
    actual = document if path == "" else _look(*_find(document, path))
    if not _equal(actual, operation.get("value")):
        raise _DoesNotApply(f"testing value {path} failed")
    return document


_HANDLERS: dict[str, Callable[[Any, str, dict[str, Any]], Any]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _from(operation: dict[str, Any]) -> str:
    source: str | None = operation.get("from")
    if source is None:
        raise _DoesNotApply("operation missing from field")
    return source


def _find(document: Any, path: str) -> tuple[Any, str]:
    """The container a pointer leads to, and the last step within it."""
    _root, *steps = path.split("/")
    if not steps:
        raise _DoesNotApply(f"doc is missing path: {path}")
    container = document
    for step in steps[:-1]:
        container = _look(container, _unescape(step))
        if not isinstance(container, dict | list):
            raise _DoesNotApply(f"doc is missing path: {path}")
    return container, _unescape(steps[-1])


def _unescape(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~") if "~" in step else step


def _look(container: Any, key: str) -> Any:
    if isinstance(container, list):
        return container[_position(container, key)]
    return container.get(key)


def _position(items: list[Any], key: str, extra: int = 0) -> int:
    """`key` as an index into `items` (with `extra` places behind its end)."""
    if not _INDEX.fullmatch(key):
        raise _DoesNotApply(f"not an index: {key}")
    index = int(key)
    size = len(items) + extra
    if not -size <= index < size:
        raise _DoesNotApply(f"unable to access invalid index: {index}")
    return index if index >= 0 else index + size


def _put(container: Any, key: str, value: Any) -> None:
    if isinstance(container, dict):
        container[key] = value
    elif key == "-":
        container.append(value)
    else:
        container.insert(_position(container, key, extra=1), value)


def _take(container: Any, key: str) -> None:
    if isinstance(container, list):
        del container[_position(container, key)]
    elif key in container:
        del container[key]
    else:
        raise _DoesNotApply(f"unable to remove nonexistent key: {key}")


def _equal(a: Any, b: Any) -> bool:
    """Equality of JSON values where 1, 1.0 and true are three values, as their texts are compared upstream."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(v, b[k]) for k, v in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    return type(a) is type(b) and bool(a == b)
