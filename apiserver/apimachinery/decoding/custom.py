"""Objects of custom resources: no Go type but their metadata's; what their schema does not name is pruned and told.

Mirrors upstream apiextensions-apiserver (apiserver/customresource_handler.go unstructuredSchemaCoercer, schema/pruning).
"""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.apimachinery.decoding.exact import DecodeError, Decoder, Pairs, parse
from apiserver.apimachinery.decoding.own import check_types
from apiserver.apimachinery.decoding.types import struct_type
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.schema import Schema

_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_TYPE_AND_META = ("apiVersion", "kind", "metadata")


def custom_object(document: Any, schema: Schema) -> tuple[Object, list[str]]:
    """(the pruned object, strict errors) of a parsed text or of plain values, which may be used up."""
    errors: list[str] = []
    obj = document
    if isinstance(document, Pairs):
        obj, errors = Decoder().untyped(document)
    if obj is None:
        obj = {}
    if not isinstance(obj, dict):
        raise DecodeError("json: cannot unmarshal into Go value of type map[string]interface {}")
    for name in ("kind", "apiVersion"):
        if not isinstance(obj.get(name, ""), str):
            raise DecodeError(f".{name} accessor error: {obj[name]} is not a string")
    found: Object = {name: obj.pop(name) for name in ("apiVersion", "kind") if name in obj}
    if schema.typed:
        check_types(obj, schema)
    unknown: list[str] = []
    if "metadata" in obj:
        found["metadata"], of_metadata = metadata(obj.pop("metadata"))
        unknown += of_metadata
    pruner = _Pruner()
    pruner.prune(obj, schema)
    drop_nulls(obj, schema)
    unknown += sorted(pruner.unknown)
    found.update(obj)
    return found, [*errors, *(f'unknown field "{path}"' for path in unknown)]


def metadata(value: Any) -> tuple[Object, list[str]]:
    """ObjectMeta through its Go type, and the paths of unknown fields."""
    found, errors = Decoder().decode(parse(orjson.dumps(value)), struct_type(_OBJECT_META))
    return found, ["metadata." + error.split('"')[1] for error in errors]


class _Pruner:
    """Removes what a schema does not name, collecting paths."""

    def __init__(self) -> None:
        self.unknown: list[str] = []

    def prune(self, value: Any, schema: Schema | None, path: str = "") -> None:
        preserve = schema is not None and schema.preserve_unknown
        if isinstance(value, dict):
            self._object(value, schema, path, preserve)
        elif isinstance(value, list):
            items = schema.items if schema is not None else None
            if preserve and items is None:
                return
            for i, item in enumerate(value):
                self.prune(item, items, f"{path}[{i}]")

    def _object(self, value: Object, schema: Schema | None, path: str, preserve: bool) -> None:
        for key in list(value):
            if schema is not None and schema.embedded and key in _TYPE_AND_META:
                continue
            below = None if schema is None else schema.properties.get(key, schema.additional)
            if below is not None:
                self.prune(value[key], below, f"{path}.{key}" if path else key)
            elif not preserve:
                if path or key not in _TYPE_AND_META:
                    self.unknown.append(f"{path}.{key}" if path else key)
                del value[key]


def drop_nulls(value: Any, schema: Schema | None) -> None:
    """Remove nulls of fields that may not be null and have no default."""
    if schema is None:
        return
    if isinstance(value, list):
        for item in value:
            drop_nulls(item, schema.items)
    elif isinstance(value, dict):
        for key in list(value):
            below = schema.properties.get(key, schema.additional)
            if below is None:
                continue
            if value[key] is None and not below.nullable and below.default is None:
                del value[key]
            else:
                drop_nulls(value[key], below)
