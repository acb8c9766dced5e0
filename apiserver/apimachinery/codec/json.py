"""JSON on the way in: parsed by orjson, duplicate keys noticed by counting, Go's words for what is malformed."""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.apimachinery.decoding.syntax import SyntaxFault, check

__all__ = ["SyntaxFault", "has_duplicates", "loads"]


def loads(data: bytes) -> Any:
    """The value; SyntaxFault with Go's words where `data` is not one JSON value."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        check(data)
        return _lenient(data)


def _lenient(data: bytes) -> Any:
    """What Go reads and orjson refuses: bytes that are no UTF-8, lone surrogates, deep nesting."""
    from apiserver.apimachinery.decoding.exact import DecodeError, parse, plain  # only odd texts need it

    try:
        return _without_surrogates(plain(parse(data)))
    except (DecodeError, RecursionError):
        raise SyntaxFault("invalid character '[' exceeded max depth") from None


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    return [_without_surrogates(v) for v in value] if isinstance(value, list) else value


def has_duplicates(data: bytes, obj: Any) -> bool:
    """May an object in `data`, which parsed to `obj`, have a key twice? Never a false no.

    Counts colons: those between keys and values and those in texts are in both, but for the members that repetition dropped.
    Only an escaped colon could make up for one.
    """
    if data.count(b":") != orjson.dumps(obj).count(b":"):
        return True
    return b"\\u003" in data and b"\\u003a" in data.lower()
