"""Query parameters turned into values as Go's generated conversions do it.

Mirrors upstream apimachinery/pkg/runtime/conversion.go: the first value counts, a boolean is everything but `0` and `false`.
"""

from __future__ import annotations

import re

from apiserver.apimachinery.errors import bad_request, go_value
from apiserver.apimachinery.http import Query

_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)


def text(query: Query, name: str) -> str:
    return query.get(name, "")


def texts(query: Query, name: str) -> list[str]:
    """Every value of a repeated parameter."""
    return query.all(name)


def optional_boolean(query: Query, name: str) -> bool | None:
    """None where the parameter is absent; an empty value is true."""
    value = query.get(name)
    if value is None:
        return None
    return value != "0" and value.lower() != "false"


def optional_integer(query: Query, name: str) -> int | None:
    """strconv.ParseInt in base 10 and 64 bits; its complaint is a 400."""
    value = query.get(name)
    if value is None:
        return None
    if _INTEGER.fullmatch(value) is None:
        raise bad_request(f"strconv.ParseInt: parsing {go_value(value)}: invalid syntax")
    number = int(value) if len(value) < 30 else int(value[0] + "9" * 30)
    if not _INT64_MIN <= number <= _INT64_MAX:
        raise bad_request(f"strconv.ParseInt: parsing {go_value(value)}: value out of range")
    return number
