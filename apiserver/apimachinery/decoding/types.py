"""Go types as the decoder sees them, compiled from the texts of the schema facts (`*[]io.k8s.api.core.v1.Container`)."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from apiserver.apimachinery.schema import GoField
from apiserver.apimachinery.schemas import builtin, go_short

STRING, BOOL, INT, UINT, FLOAT, BYTES = "string", "bool", "int", "uint", "float", "bytes"
STRUCT, POINTER, SLICE, MAP, ANY = "struct", "pointer", "slice", "map", "any"
# Types with an UnmarshalJSON of their own.
TIME, MICRO_TIME, QUANTITY, INT_OR_STRING, RAW = "time", "microtime", "quantity", "int-or-string", "raw"
SCHEMA_OR_BOOL, SCHEMA_OR_ARRAY, SCHEMA_OR_STRINGS = "schema-or-bool", "schema-or-array", "schema-or-strings"

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_APIEXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
SCHEMA_PROPS = _APIEXTENSIONS + "JSONSchemaProps"
UNMARSHALERS = {
    _META + "Time": TIME,
    _META + "MicroTime": MICRO_TIME,
    _META + "FieldsV1": RAW,
    "io.k8s.apimachinery.pkg.runtime.RawExtension": RAW,
    "io.k8s.apimachinery.pkg.api.resource.Quantity": QUANTITY,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": INT_OR_STRING,
    _APIEXTENSIONS + "JSON": RAW,
    _APIEXTENSIONS + "JSONSchemaPropsOrBool": SCHEMA_OR_BOOL,
    _APIEXTENSIONS + "JSONSchemaPropsOrArray": SCHEMA_OR_ARRAY,
    _APIEXTENSIONS + "JSONSchemaPropsOrStringArray": SCHEMA_OR_STRINGS,
}
_NUMBERS = {
    **{f"int{bits}": (INT, bits) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (UINT, bits) for bits in (8, 16, 32, 64)},
    "int": (INT, 64),
    "uint": (UINT, 64),
    "byte": (UINT, 8),
    "float32": (FLOAT, 32),
    "float64": (FLOAT, 64),
}


class GoType(NamedTuple):
    """One type. `name` is what reflect prints; `struct` names the definition of a STRUCT, `element` what is inside."""

    kind: str
    name: str
    bits: int = 0
    struct: str = ""
    element: GoType | None = None

    @property
    def inner(self) -> GoType:
        """What a pointer, slice or map holds."""
        assert self.element is not None
        return self.element

    @property
    def pointee(self) -> GoType:
        """The type behind any pointers."""
        found = self
        while found.kind == POINTER:
            found = found.inner
        return found


# Lists that are told from none at all when they are empty: their kinds' defaults or validation ask Go for nil.
_TOLD_FROM_NONE = {
    "io.k8s.api.autoscaling.v2.HPAScalingRules": ("policies",),
    "io.k8s.api.resource.v1.ResourceSliceSpec": ("devices", "sharedCounters"),
}


class Field(NamedTuple):
    """A struct's field with its type."""

    type: GoType
    omitempty: bool
    omitzero: bool
    embedded: tuple[str, ...]
    keeps_empty: bool = False


@cache
def go_type(text: str) -> GoType:
    """The type a text stands for; named scalars, lists and maps are looked through but keep their name."""
    if text.startswith("*"):
        inner = go_type(text[1:])
        return GoType(POINTER, "*" + inner.name, element=inner)
    named = builtin().go_named
    underlying, seen = text, 0
    while underlying in named and seen < 8:
        underlying, seen = named[underlying], seen + 1
    name = go_short(text)
    return _unnamed(underlying, name[: -len("byte")] + "uint8" if name.endswith("[]byte") else name)


def _unnamed(text: str, name: str) -> GoType:
    if text in ("[]byte", "[]uint8"):
        return GoType(BYTES, "[]uint8")
    if text.startswith("[]"):
        return GoType(SLICE, name, element=go_type(text[2:]))
    if text.startswith("map["):
        return GoType(MAP, name, element=go_type(text[text.index("]") + 1 :]))
    if text in (STRING, BOOL):
        return GoType(text, name)
    if text in _NUMBERS:
        kind, bits = _NUMBERS[text]
        return GoType(kind, "uint8" if name == "byte" else name, bits)
    if text in UNMARSHALERS:
        return GoType(UNMARSHALERS[text], name, struct=text)
    if text == "any":
        return GoType(ANY, "interface {}")
    return GoType(STRUCT, name, struct=text)


@cache
def struct_fields(definition: str) -> dict[str, Field]:
    """The JSON fields of a struct, in Go's order."""
    kept = _TOLD_FROM_NONE.get(definition, ())
    fields = builtin().definition(definition).go_fields
    return {name: _field(field, name in kept) for name, field in fields.items()}


def _field(field: GoField, keeps_empty: bool) -> Field:
    embedded = tuple(field.embedded.split(".")) if field.embedded else ()
    return Field(go_type(field.type), field.omitempty, field.omitzero, embedded, keeps_empty)


def struct_type(definition: str) -> GoType:
    """The type of a kind or another definition."""
    return go_type(definition)
