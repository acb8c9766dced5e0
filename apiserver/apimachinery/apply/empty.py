"""The empty object of a kind, as Go's zero value looks in JSON: what a create is compared with.

Structs that are no pointers are there (empty), and fields without `omitempty` are there with their zero value.
"""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.schema import BOOLEAN, INTEGER, NUMBER, OBJECT, STRING, GoField, Schema

_ZEROS: dict[str, Any] = {INTEGER: 0, NUMBER: 0, BOOLEAN: False, STRING: ""}
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
# Structs that JSON shows as scalars, with their zero values.
_SCALAR_STRUCTS: dict[str, Any] = {
    _META + "Time": None,
    _META + "MicroTime": None,
    _META + "Duration": "0s",
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "0",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": 0,
    "io.k8s.apimachinery.pkg.runtime.RawExtension": None,
}


def empty_object(schema: Schema) -> dict[str, Any]:
    """Nothing for custom resources, which are no structs."""
    return {
        name: _zero(field, schema.properties[name])
        for name, field in schema.go_fields.items()
        if _is_written(field, schema.properties[name])
    }


def _is_written(field: GoField, schema: Schema) -> bool:
    return not field.omitzero and (not field.omitempty or field.type in _SCALAR_STRUCTS or _is_struct(field, schema))


def _is_struct(field: GoField, schema: Schema) -> bool:
    return schema.type == OBJECT and not _is_nilable(field)


def _is_nilable(field: GoField) -> bool:
    return field.type.startswith(("*", "[", "map["))


def _zero(field: GoField, schema: Schema) -> Any:
    if _is_nilable(field):
        return None
    if field.type in _SCALAR_STRUCTS:
        return _SCALAR_STRUCTS[field.type]
    return empty_object(schema) if schema.type == OBJECT else _ZEROS.get(schema.type)
