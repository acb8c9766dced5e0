"""JSON on the way in: parsed by orjson, duplicate keys noticed by counting, Go's words for what is malformed."""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.apimachinery.decoding.syntax import SyntaxFault, check

__all__ = ["SyntaxFault", "has_duplicates", "loads"]

_KEY_END, _ESCAPED_KEY_END = b'":', b'\\":'
# Where one of these occurs, keys cannot be told by their `":`.
_UNCOUNTABLE = (b" :", b"\n:", b"\t:", b"\r:", b'\\\\":', b"\\u003a", b"\\u003A")


def loads(data: bytes) -> Any:
    """The value; SyntaxFault with Go's words where `data` is not one JSON value."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        check(data)
        return _lenient(data)


def _lenient(data: bytes) -> Any:
    """What Go reads and orjson refuses: bytes that are no UTF-8, lone surrogates, deep nesting."""
    from apiserver.apimachinery.decoding.exact import parse, plain  # only odd texts need it

    try:
        value = plain(parse(data))
    except RecursionError:
        raise SyntaxFault("exceeded max depth") from None
    return _without_surrogates(value)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    return [_without_surrogates(v) for v in value] if isinstance(value, list) else value


def _keys(data: bytes) -> int:
    return data.count(_KEY_END) - data.count(_ESCAPED_KEY_END)


def has_duplicates(data: bytes, obj: Any) -> bool:
    """May an object in `data`, which parsed to `obj`, have a key twice? Counts keys before and after: never a false no."""
    if _keys(data) != _keys(orjson.dumps(obj)):
        return True
    return any(mark in data for mark in _UNCOUNTABLE)
