"""IntOrString: a number, or a text that is a number of percent or a name (upstream util/intstr)."""

from __future__ import annotations

import re

from apiserver.apimachinery.errors import go_value

IntOrString = int | str

_ATOI = re.compile(r"[+-]?[0-9]+")


def int_value(value: IntOrString | None) -> int:
    """The number; a text that is none counts as 0."""
    if isinstance(value, str):
        return int(value) if _ATOI.fullmatch(value) else 0
    return value or 0


def is_percent(value: IntOrString) -> bool:
    return isinstance(value, str) and value.endswith("%") and _ATOI.fullmatch(value[:-1]) is not None


def scaled(value: IntOrString | None, total: int, *, round_up: bool) -> int:
    """A number as it is, a percentage of `total`; ValueError otherwise (GetScaledValueFromIntOrPercent)."""
    if value is None:
        raise ValueError("nil value for IntOrString")
    if not isinstance(value, str):
        return value
    if not value.endswith("%"):
        raise ValueError("invalid value for IntOrString: invalid type: string is not a percentage")
    if not _ATOI.fullmatch(value[:-1]):
        reason = f"strconv.Atoi: parsing {go_value(value[:-1])}: invalid syntax"
        raise ValueError(f"invalid value for IntOrString: invalid value {go_value(value)}: {reason}")
    product = int(value[:-1]) * total
    return -(-product // 100) if round_up else product // 100
