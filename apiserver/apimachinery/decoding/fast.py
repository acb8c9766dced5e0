"""Well-formed objects, decoded in microseconds: the same result as `exact`, or Irregular, and then `exact` must say.

One walker over a struct's tables: scalars by name and class, children by functions. It changes the object in place: nulls and
what Go leaves out as empty go, what Go always writes comes, quantities become canonical.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from datetime import datetime
from functools import cache, partial
from typing import Any

from apiserver.apimachinery.decoding import types as t
from apiserver.apimachinery.decoding.exact import ZERO, encode
from apiserver.apimachinery.decoding.types import Field, GoType, struct_fields
from apiserver.apimachinery.objects import copy
from apiserver.apimachinery.quantity import QuantityError, canonical

# Checks a value, says whether it is other than its type's zero; raises Irregular.
Check = Callable[[Any], bool]

_CLASSES: dict[str, type] = {t.STRING: str, t.BOOL: bool}
_ALWAYS_WRITTEN = (t.STRUCT, *t.UNMARSHALERS.values())


class Irregular(Exception):
    """Something that needs the exact decoder: an error, an unknown field, a rare form."""


class Table:
    """What the walker asks of a struct, by field name."""

    __slots__ = ("always", "checks", "names", "omit", "scalars")

    def __init__(self) -> None:
        self.names: frozenset[str] = frozenset()
        self.scalars: dict[str, type] = {}  # strings and booleans, also behind pointers
        self.checks: dict[str, Check] = {}  # everything else
        self.omit: frozenset[str] = frozenset()  # left out when zero
        self.always: tuple[tuple[str, Any], ...] = ()  # written even when absent: (name, zero)


@cache
def _tables() -> dict[str, Table]:
    return {}


def table(definition: str) -> Table:
    """The tables of a struct, compiled on first use; recursive types meet themselves half-made."""
    tables = _tables()
    found = tables.get(definition)
    if found is None:
        found = tables[definition] = Table()
        _fill(found, struct_fields(definition))
    return found


def _fill(target: Table, fields: dict[str, Field]) -> None:
    target.names = frozenset(fields)
    target.omit = frozenset(
        n for n, f in fields.items() if f.omitempty and not f.keeps_empty and f.type.kind != t.POINTER
    )
    target.always = tuple((n, encode(f.type, ZERO)) for n, f in fields.items() if _is_always_written(f))
    for name, field in fields.items():
        kind = field.type.pointee.kind
        if kind in _CLASSES:
            target.scalars[name] = _CLASSES[kind]
        else:
            target.checks[name] = _check_of(field.type.pointee)


def _is_always_written(field: Field) -> bool:
    if field.omitzero:
        return False
    return not field.omitempty or field.type.kind in _ALWAYS_WRITTEN


def walk(of: Table, obj: Any) -> bool:
    """Bring a struct into the form Go writes."""
    if obj.__class__ is not dict:
        raise Irregular
    scalars = of.scalars
    dropped: list[str] | None = None
    for key, value in obj.items():
        if value.__class__ is scalars.get(key):
            if value or key not in of.omit:
                continue
        elif value is None:
            if key not in of.names:
                raise Irregular
        else:
            check = of.checks.get(key)
            if check is None:
                raise Irregular
            if check(value) or key not in of.omit:
                continue
        if dropped is None:
            dropped = [key]
        else:
            dropped.append(key)
    for key in dropped or ():
        del obj[key]
    for key, zero in of.always:
        if key not in obj:
            obj[key] = copy(zero) if zero.__class__ is dict else zero
    return True


def _structs(of: Table, value: Any) -> bool:
    if value.__class__ is not list:
        raise Irregular
    for item in value:
        walk(of, item)
    return bool(value)


def _scalars(cls: type, value: Any) -> bool:
    if value.__class__ is not list:
        raise Irregular
    for item in value:
        if item.__class__ is not cls:
            raise Irregular
    return bool(value)


def _list(check: Check, value: Any) -> bool:
    if value.__class__ is not list:
        raise Irregular
    for item in value:
        if item is None:
            raise Irregular
        check(item)
    return bool(value)


def _map(check: Check, value: Any) -> bool:
    if value.__class__ is not dict:
        raise Irregular
    for item in value.values():
        if item is None:
            raise Irregular
        check(item)
    return bool(value)


def _scalar_map(cls: type, value: Any) -> bool:
    if value.__class__ is not dict:
        raise Irregular
    for item in value.values():
        if item.__class__ is not cls:
            raise Irregular
    return bool(value)


def _quantities(value: Any) -> bool:
    if value.__class__ is not dict:
        raise Irregular
    for name, amount in value.items():
        written = _quantity_text(amount)
        if written != amount:
            value[name] = written
    return bool(value)


def _quantity_text(amount: Any) -> str:
    if amount.__class__ is int:
        amount = str(amount)
    elif amount.__class__ is not str:
        raise Irregular
    try:
        return canonical(amount)
    except QuantityError:
        raise Irregular from None


def _quantity(value: Any) -> bool:
    if value.__class__ is not str or _quantity_text(value) != value:
        raise Irregular
    return True


def _integer(low: int, high: int, value: Any) -> bool:
    if value.__class__ is not int or not low <= value <= high:
        raise Irregular
    return value != 0


def _scalar(cls: type, value: Any) -> bool:
    if value.__class__ is not cls:
        raise Irregular
    return bool(value)


def _bytes(value: Any) -> bool:
    if value.__class__ is not str:
        raise Irregular
    try:
        data = binascii.a2b_base64(value, strict_mode=True)
        same = binascii.b2a_base64(data, newline=False) == value.encode()
    except ValueError:
        raise Irregular from None
    if not same:
        raise Irregular
    return bool(value)


def _time(value: Any, length: int = 20) -> bool:
    """`2026-01-02T15:04:05Z`, as it would be written again."""
    if (
        value.__class__ is not str
        or len(value) != length
        or not value.isascii()
        or value[-1] != "Z"
        or value[10] != "T"
    ):
        raise Irregular
    if value[4] != "-" or value[13] != ":" or value.startswith("0001-01-01") or value[11:13] == "24":
        raise Irregular
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise Irregular from None
    return True


def _micro_time(value: Any) -> bool:
    if value.__class__ is not str or len(value) != 27 or value[19] != ".":
        raise Irregular
    return _time(value, 27)


def _int_or_string(value: Any) -> bool:
    if value.__class__ is str:
        return True
    if value.__class__ is not int or not -(2**31) <= value < 2**31:
        raise Irregular
    return True


def _anything(value: Any) -> bool:
    return True


def _irregular(value: Any) -> bool:
    raise Irregular


def _schema_or_bool(value: Any) -> bool:
    if value.__class__ is bool:
        return True
    return walk(table(t.SCHEMA_PROPS), value)


def _schema_or_list(value: Any) -> bool:
    return walk(table(t.SCHEMA_PROPS), value)


_CHECKS: dict[str, Check] = {
    t.TIME: _time,
    t.MICRO_TIME: _micro_time,
    t.QUANTITY: _quantity,
    t.INT_OR_STRING: _int_or_string,
    t.RAW: _anything,
    t.ANY: _anything,
    t.BYTES: _bytes,
    t.FLOAT: _irregular,
    t.SCHEMA_OR_BOOL: _schema_or_bool,
    t.SCHEMA_OR_ARRAY: _schema_or_list,
    t.SCHEMA_OR_STRINGS: _schema_or_list,
}


def _check_of(type: GoType) -> Check:
    if type.kind in _CHECKS:
        return _CHECKS[type.kind]
    if type.kind in _CLASSES:
        return partial(_scalar, _CLASSES[type.kind])
    if type.kind == t.INT:
        return partial(_integer, -(1 << type.bits - 1), (1 << type.bits - 1) - 1)
    if type.kind == t.UINT:
        return partial(_integer, 0, (1 << type.bits) - 1)
    if type.kind == t.STRUCT:
        return partial(walk, table(type.struct))
    element = type.inner.pointee
    if type.kind == t.SLICE:
        if element.kind == t.STRUCT:
            return partial(_structs, table(element.struct))
        return (
            partial(_scalars, _CLASSES[element.kind])
            if element.kind in _CLASSES
            else partial(_list, _check_of(element))
        )
    if element.kind == t.QUANTITY:
        return _quantities
    return (
        partial(_scalar_map, _CLASSES[element.kind]) if element.kind in _CLASSES else partial(_map, _check_of(element))
    )
