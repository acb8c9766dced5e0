"""The empty object of a kind, as Go's zero value looks in JSON: what a create is compared with.

Structs that are no pointers are there (empty), and fields without `omitempty` are there with their zero value.
"""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.schema import (
    BOOLEAN,
    INT_OR_STRING,
    INTEGER,
    NUMBER,
    OBJECT,
    QUANTITY,
    STRING,
    GoField,
    Schema,
)

_ZEROS: dict[str, Any] = {INTEGER: 0, NUMBER: 0, BOOLEAN: False, QUANTITY: "0", INT_OR_STRING: 0}


def empty_object(schema: Schema) -> dict[str, Any]:
    """Nothing for custom resources, which are no structs."""
    return {
        name: _zero(field, schema.properties[name])
        for name, field in schema.go_fields.items()
        if _is_written(field, schema.properties[name])
    }


def _is_written(field: GoField, schema: Schema) -> bool:
    return not field.omitzero and (not field.omitempty or _is_struct(field, schema))


def _is_struct(field: GoField, schema: Schema) -> bool:
    return schema.type == OBJECT and field.type[:1] not in ("*", "[") and not field.type.startswith("map[")


def _zero(field: GoField, schema: Schema) -> Any:
    if _is_struct(field, schema):
        return empty_object(schema)
    if field.type[:1] in ("*", "["):
        return None
    if schema.type == STRING:
        return None if schema.format == "date-time" else ""
    return _ZEROS.get(schema.type)
