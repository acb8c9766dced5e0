"""JSON on the way in: parsed by orjson, duplicate keys noticed by counting, Go's words for what is malformed."""

from __future__ import annotations

import math
import re
from typing import Any

import orjson

from apiserver.apimachinery.decoding.syntax import SyntaxFault, check

__all__ = ["SyntaxFault", "has_duplicates", "loads", "number_fault"]

_NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")


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
        return plain(parse(data))
    except (DecodeError, RecursionError):
        raise SyntaxFault("invalid character '[' exceeded max depth") from None


def number_fault(data: bytes) -> str:
    """What Go says of a number in `data` that no float holds where it decodes into no type in particular; "" without one.

    orjson refuses such a text: only what `loads` had to read leniently needs to be asked about.
    """
    for number in _NUMBER.findall(data):
        if math.isinf(float(number)):
            return f"json: cannot unmarshal number {number.decode()} into Go value of type float64"
    return ""


def has_duplicates(data: bytes, obj: Any) -> bool:
    """May an object in `data`, which parsed to `obj`, have a key twice? Never a false no.

    Counts colons: those between keys and values and those in texts are in both, but for the members that repetition dropped.
    Only an escaped colon could make up for one.
    """
    if data.count(b":") != orjson.dumps(obj).count(b":"):
        return True
    return b"\\u003" in data and b"\\u003a" in data.lower()
