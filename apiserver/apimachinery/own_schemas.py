"""Schemas of kinds that Kubernetes does not know, written in the file of the kind: OpenAPI v3, as in a CRD.

    SCHEMA = kind_schema("Gizmo", {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}})

A `$ref` names a built-in definition: {"$ref": "io.k8s.api.core.v1.PodTemplateSpec"}. `description` shows in `kubectl explain`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.apimachinery.schema import ANY, LIST, MAP, OBJECT, STRING, Schema
from apiserver.apimachinery.schemas import apply_facts, builtin, type_of

_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
# What is kept for OpenAPI as it is; the strategy's validators check values, reading only checks types.
_TOLD = ("description", "enum", "minimum", "maximum", "minLength", "maxLength", "pattern", "minItems", "maxItems")
_KNOWN = frozenset(
    (
        *_TOLD,
        *("type", "format", "default", "required", "properties", "items", "additionalProperties", "nullable", "$ref"),
        *("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type"),
        *("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"),
    )
)


class SchemaError(ValueError):
    """A schema that cannot be used; the message names the place."""


def kind_schema(kind: str, properties: Mapping[str, Mapping[str, Any]], description: str = "") -> Schema:
    """A kind with the given properties beside apiVersion, kind and metadata. Raises SchemaError."""
    schema = Schema(OBJECT)
    schema.go_type, schema.typed = kind, True
    schema.properties = {
        "apiVersion": Schema(STRING),
        "kind": Schema(STRING),
        "metadata": builtin().definition(_OBJECT_META),
        **{name: _part(spec, f"{kind}.{name}") for name, spec in properties.items()},
    }
    if description:
        schema.extra = {"description": description}
    return schema


def _part(spec: Mapping[str, Any], where: str) -> Schema:
    unknown = [key for key in spec if key not in _KNOWN]
    if unknown:
        raise SchemaError(f"{where}: unknown keyword {unknown[0]!r}")
    if "$ref" in spec:
        try:
            return builtin().definition(spec["$ref"])
        except KeyError:
            raise SchemaError(f"{where}: there is no built-in definition {spec['$ref']!r}") from None
    schema = Schema(_type(spec, where))
    apply_facts(schema, spec)
    schema.nullable = bool(spec.get("nullable"))
    schema.preserve_unknown = bool(spec.get("x-kubernetes-preserve-unknown-fields"))
    schema.extra = {key: spec[key] for key in _TOLD if key in spec}
    schema.properties = {name: _part(inner, f"{where}.{name}") for name, inner in spec.get("properties", {}).items()}
    if schema.type == LIST:
        schema.items = _part(spec["items"], f"{where}[]")
    if schema.type == MAP:
        schema.additional = _part(spec["additionalProperties"], f"{where}[]")
    return schema


def _type(spec: Mapping[str, Any], where: str) -> str:
    if spec.get("x-kubernetes-int-or-string"):
        return type_of({"format": "int-or-string"})
    kind = spec.get("type")
    if kind not in ("object", "array", "string", "integer", "number", "boolean"):
        if spec.get("x-kubernetes-preserve-unknown-fields"):
            return ANY
        raise SchemaError(f"{where}: type is {kind!r}, not object, array, string, integer, number or boolean")
    if kind == "array" and "items" not in spec:
        raise SchemaError(f"{where}: an array says what its items are")
    return type_of(spec)
