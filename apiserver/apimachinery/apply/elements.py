"""Path elements as FieldsV1 writes them: `f:name` a field, `k:{"name":"a"}` an item by its keys, `v:"x"` an item by its value.

An element is its canonical text, so that sets are plain dicts. The order is upstream's (structured-merge-diff
fieldpath/element.go): fields, keys, values, indexes; numbers by their value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

SELF = "."  # in a set: "this path itself is a member, besides what lies below it"

_HTML = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


class BadElement(ValueError):
    """A text that is no path element; the message is upstream's."""


def json_text(value: Any) -> str:
    """A value as upstream writes it inside an element: compact JSON with the characters of HTML escaped."""
    text = orjson.dumps(value).decode()
    if not any(char in text for char in _HTML):
        return text
    return "".join(_HTML.get(char, char) for char in text)


def key_element(fields: Mapping[str, Any]) -> str:
    """The item whose key fields have these values."""
    return "k:{" + ",".join(f"{json_text(name)}:{json_text(fields[name])}" for name in sorted(fields)) + "}"


def value_element(value: Any) -> str:
    return f"v:{json_text(value)}"


def canonical(text: str) -> str | None:
    """The element in canonical form; None for a kind unknown here, which readers skip. Raises BadElement."""
    kind = text[:2]
    if kind == "f:":
        return text
    if len(text) < 2:
        raise BadElement("key must be 2 characters long:")
    if kind == "v:":
        return value_element(_number(_parse(text)))
    if kind == "k:":
        fields = _parse(text)
        if not isinstance(fields, dict):
            raise BadElement(f"expect {{ or n, but found {text[2:3]}")
        return key_element({name: _number(value) for name, value in fields.items()})
    if kind == "i:":
        return f"i:{_index(text)}"
    if text[1] != ":":
        raise BadElement(f"missing colon: {text}")
    return None


def _parse(text: str) -> Any:
    try:
        return orjson.loads(text[2:])
    except orjson.JSONDecodeError as e:
        raise BadElement(f"managedFields parsing: {e}") from e


def _number(value: Any) -> Any:
    """1.0 is the element 1: they are the same value."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _index(text: str) -> int:
    try:
        return int(text[2:])
    except ValueError as e:
        raise BadElement(f'strconv.Atoi: parsing "{text[2:]}": invalid syntax') from e


def sort_key(element: str) -> tuple[Any, ...]:
    kind = element[:2]
    if kind == "f:":
        return (1, element)
    if kind == "k:":
        fields = orjson.loads(element[2:])
        return (2, tuple((name, _value_key(fields[name])) for name in sorted(fields)))
    if kind == "v:":
        return (3, _value_key(orjson.loads(element[2:])))
    if kind == "i:":
        return (4, int(element[2:]))
    return (0, element)


def _value_key(value: Any) -> tuple[Any, ...]:
    """Numbers before strings before booleans before lists before maps before null."""
    if isinstance(value, bool):
        return (2, value)
    if isinstance(value, int | float):
        return (0, value)
    if isinstance(value, str):
        return (1, value)
    if isinstance(value, list):
        return (3, tuple(map(_value_key, value)))
    if isinstance(value, dict):
        return (4, tuple((name, _value_key(value[name])) for name in sorted(value)))
    return (5,)


def in_order(elements: Iterable[str]) -> list[str]:
    """Elements of one level, sorted."""
    listed = sorted(elements)
    if listed and listed[-1] > "f;":  # "f;" comes right after all of "f:…": there are other kinds
        listed.sort(key=sort_key)
    return listed


def path_text(path: Iterable[str]) -> str:
    """A path as messages write it: `.spec.containers[name="a"].image`."""
    return "".join(map(_element_text, path))


def _element_text(element: str) -> str:
    kind, rest = element[:2], element[2:]
    if kind == "f:":
        return f".{rest}"
    if kind == "k:":
        fields = orjson.loads(rest)
        return "[" + ",".join(f"{name}={_value_text(fields[name])}" for name in sorted(fields)) + "]"
    if kind == "v:":
        return f"[={_value_text(orjson.loads(rest))}]"
    return f"[{rest}]"


def _value_text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return orjson.dumps(value).decode()
    if isinstance(value, list):
        return "[" + ",".join(map(_value_text, value)) + "]"
    if isinstance(value, dict):
        return "".join(f"{name}={_value_text(value[name])}" for name in sorted(value))
    return str(value)
