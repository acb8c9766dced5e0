"""The built-in kinds' schemas, read from generated facts: loaded on first need, compiled per definition.

`builtin().schema(gvk)` is what everyone asks; `raw(name)` gives a definition back in OpenAPI v3 form, without prose.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from apiserver.apimachinery.gvk import GroupVersion, GroupVersionKind
from apiserver.apimachinery.schema import (
    ANY,
    INT_OR_STRING,
    LIST,
    MAP,
    OBJECT,
    QUANTITY,
    GoField,
    Schema,
)

_FACTS = Path(__file__).resolve().parent.parent / "generated" / "schemas.json.gz"
_REF = "#/components/schemas/"
_GVK = "x-kubernetes-group-version-kind"
_TYPE_META = frozenset({"kind", "apiVersion"})
_ANY_DEFINITIONS = frozenset(
    {
        "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1",
        "io.k8s.apimachinery.pkg.apis.meta.v1.Patch",
        "io.k8s.apimachinery.pkg.runtime.RawExtension",
    }
)
_OMITEMPTY, _OMITZERO = 1, 2


def go_short(type_text: str) -> str:
    """A Go type in full names as reflect prints it: `[]io.k8s.api.core.v1.Container` → `[]v1.Container`."""
    parts = type_text.replace("map[", "map[\0").replace("]", "]\0").replace("*", "*\0").split("\0")
    return "".join(_short_name(part) for part in parts)


def _short_name(part: str) -> str:
    name = part.rstrip("]*")
    return ".".join(name.split(".")[-2:]) + part[len(name) :]


def reference(spec: dict[str, Any]) -> str:
    """The definition a property names, or ""."""
    ref = spec.get("$ref") or ("allOf" in spec and spec["allOf"][0].get("$ref")) or ""
    return ref.removeprefix(_REF)


class SchemaSet:
    """Definitions by name, kinds by GroupVersionKind; each compiled to a Schema once."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.version: str = facts["version"]
        self.go_named: dict[str, str] = facts["goNamed"]
        self._specs: list[dict[str, Any]] = facts["specs"]
        self._go_types: list[str] = facts["goTypes"]
        self._facts: dict[str, dict[str, Any]] = facts["definitions"]
        self._compiled: dict[str, Schema] = {}
        self._properties: dict[tuple[int, int], Schema] = {}
        self._kinds: dict[GroupVersionKind, str] = {}
        for name, definition in self._facts.items():
            for gvk in definition.get(_GVK, ()):
                self._kinds[GroupVersionKind(gvk["group"], gvk["version"], gvk["kind"])] = name

    def schema(self, gvk: GroupVersionKind) -> Schema:
        """The schema of a kind; KeyError when it is not built in."""
        return self.definition(self._kinds[gvk])

    def has_version(self, group_version: GroupVersion) -> bool:
        """Whether any kind is of this version."""
        return any(kind.group_version == group_version for kind in self._kinds)

    def definition_name(self, gvk: GroupVersionKind) -> str:
        """`io.k8s.api.core.v1.Pod` for v1 Pod; KeyError when it is not built in."""
        return self._kinds[gvk]

    def names(self) -> list[str]:
        return list(self._facts)

    def definition(self, name: str) -> Schema:
        """The schema of one definition; KeyError when there is none."""
        found = self._compiled.get(name)
        return found if found is not None else self._compile(name)

    def raw(self, name: str) -> dict[str, Any]:
        """The definition as an OpenAPI v3 schema, a fresh dict whose property values are shared: do not change those."""
        definition = dict(self._facts[name])
        if "properties" in definition:
            definition["properties"] = {n: self._specs[p[0]] for n, p in definition["properties"].items()}
        return definition

    def _compile(self, name: str) -> Schema:
        facts = self._facts[name]
        schema = Schema(type_of(facts, name))
        self._compiled[name] = schema  # before its properties: types may be recursive
        schema.name = name
        schema.go_type = go_short(name)
        apply_facts(schema, facts)
        if name in _ANY_DEFINITIONS:
            schema.preserve_unknown = True
            return schema
        properties = facts.get("properties")
        if properties is not None:
            # Filled in place: types may be recursive, and references that are being made share these dicts.
            schema.go_fields = {n: self._go_field(packed) for n, packed in properties.items() if len(packed) > 1}
            if facts.get(_GVK):  # a kind: Go's struct embeds TypeMeta, which the packed facts leave out
                for field in _TYPE_META & schema.go_fields.keys():
                    schema.go_fields[field] = schema.go_fields[field]._replace(embedded="TypeMeta")
            for property_name, packed in properties.items():
                schema.properties[property_name] = self._property(packed)
        return schema

    def _go_field(self, packed: list[Any]) -> GoField:
        flags = packed[2]
        embedded = packed[3] if len(packed) > 3 else ""
        return GoField(self._go_types[packed[1]], bool(flags & _OMITEMPTY), bool(flags & _OMITZERO), embedded)

    def _property(self, packed: list[Any]) -> Schema:
        key = (packed[0], packed[1] if len(packed) > 1 else -1)
        found = self._properties.get(key)
        if found is None:
            go_type = self._go_types[key[1]] if key[1] >= 0 else ""
            found = self._properties[key] = self._inline(self._specs[key[0]], go_type.lstrip("*"))
        return found

    def _inline(self, spec: dict[str, Any], go_type: str) -> Schema:
        """A property's schema: a reference with facts of its own is a copy of what it refers to that shares its parts."""
        if ref := reference(spec):
            target = self.definition(ref)
            if len(spec) == 1:
                return target
            schema = _share(target)
            apply_facts(schema, spec)
            return schema
        schema = Schema(type_of(spec))
        schema.go_type = go_short(go_type)
        apply_facts(schema, spec)
        underlying = self.go_named.get(go_type, go_type)
        if "items" in spec:
            schema.items = self._inline(spec["items"], underlying.removeprefix("[]").lstrip("*"))
        if isinstance(spec.get("additionalProperties"), dict):
            values = underlying.partition("]")[2].lstrip("*")
            schema.additional = self._inline(spec["additionalProperties"], values)
        return schema


def type_of(spec: Mapping[str, Any], name: str = "") -> str:
    """Schema.type of a part of an OpenAPI v3 document."""
    if name in _ANY_DEFINITIONS:
        return ANY
    if spec.get("format") == "int-or-string":
        return INT_OR_STRING
    if "oneOf" in spec:
        return QUANTITY
    kind = spec.get("type", ANY)
    if kind == "array":
        return LIST
    if kind == "object" and "additionalProperties" in spec:
        return MAP
    if kind == "object" and "properties" not in spec and not name:
        return ANY
    return str(kind) if kind != "object" else OBJECT


def apply_facts(schema: Schema, spec: Mapping[str, Any]) -> None:
    """What the part says beside its type."""
    get = spec.get
    schema.format = get("format", schema.format)
    schema.default = get("default", schema.default)
    schema.required = tuple(get("required", schema.required))
    schema.list_type = get("x-kubernetes-list-type", schema.list_type)
    schema.list_keys = tuple(get("x-kubernetes-list-map-keys", schema.list_keys))
    schema.map_type = get("x-kubernetes-map-type", schema.map_type)
    schema.merge_key = get("x-kubernetes-patch-merge-key", schema.merge_key)
    if strategy := get("x-kubernetes-patch-strategy"):
        schema.patch_strategy = tuple(strategy.split(","))
    extra: dict[str, Any] = {k: spec[k] for k in ("enum", "x-kubernetes-unions") if k in spec}
    if extra:
        schema.extra = extra


def _share(target: Schema) -> Schema:
    """A second Schema with the same content; a target still being compiled fills the dicts they have in common."""
    schema = Schema(target.type)
    for slot in Schema.__slots__:
        setattr(schema, slot, getattr(target, slot))
    return schema


@lru_cache(maxsize=1)
def builtin() -> SchemaSet:
    """The pinned version's schemas: read once per process (5 ms)."""
    return SchemaSet(orjson.loads(zlib.decompress(_FACTS.read_bytes(), 31)))
