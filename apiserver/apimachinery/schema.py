"""Schemas: what a type looks like, for decoding, defaults, merges and OpenAPI. Built-in and custom kinds share this form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

# Schema.type values
OBJECT, MAP, LIST = "object", "map", "list"
STRING, INTEGER, NUMBER, BOOLEAN = "string", "integer", "number", "boolean"
INT_OR_STRING, QUANTITY, ANY = "int-or-string", "quantity", "any"  # ANY: arbitrary JSON, kept as it is


class GoField(NamedTuple):
    """How Go's encoding/json sees one field of a struct."""

    type: str  # in full names: `*io.k8s.api.core.v1.PodSpec`, `[]string`, `map[string]string`
    omitempty: bool
    omitzero: bool
    embedded: str = ""  # the embedded structs on the way, dotted, as errors name them: "VolumeSource"


class Schema:
    """One type. Mutable only while it is built; shared and possibly recursive afterwards (never walk it unbounded)."""

    __slots__ = (
        "additional",
        "default",
        "embedded",
        "extra",
        "format",
        "go_fields",
        "go_type",
        "items",
        "list_keys",
        "list_type",
        "map_type",
        "merge_key",
        "name",
        "nullable",
        "patch_strategy",
        "preserve_unknown",
        "properties",
        "required",
        "type",
        "typed",
    )

    def __init__(self, type: str) -> None:
        self.type = type
        self.name: str = ""  # the definition's full name, e.g. io.k8s.api.core.v1.PodSpec
        self.go_type: str = ""  # how Go's decoder names it in errors: PodSpec, int32, string, …
        self.format: str = ""  # int32, int64, date-time, byte, double, …
        self.properties: dict[str, Schema] = {}  # OBJECT
        self.additional: Schema | None = None  # MAP: the values
        self.items: Schema | None = None  # LIST: the items
        self.required: tuple[str, ...] = ()
        self.default: Any = None  # as the schema document says it; None: no default
        self.nullable: bool = False
        self.list_type: str = "atomic"  # atomic | set | map
        self.list_keys: tuple[str, ...] = ()
        self.map_type: str = "granular"  # granular | atomic, for OBJECT and MAP
        self.patch_strategy: tuple[str, ...] = ()  # merge, replace, retainKeys (strategic merge patch)
        self.merge_key: str = ""  # strategic merge patch
        self.preserve_unknown: bool = False
        self.typed: bool = False  # of a kind: values of other types than the schema's are refused when they are read
        self.embedded: bool = False  # x-kubernetes-embedded-resource
        # OBJECT that is a Go struct: its JSON fields in Go's order; empty for custom resources.
        self.go_fields: Mapping[str, GoField] = {}
        self.extra: dict[str, Any] = {}  # validations of custom resources, enums, bounds, …

    def __repr__(self) -> str:
        return f"<Schema {self.name or self.type}>"
