"""What structured merges know of a type: scalar, list or map, and how its parts belong together.

Compiled from a Schema, the way upstream makes one from OpenAPI (kube-openapi schemaconv) and resolves it by the value in
hand (structured-merge-diff typed/helpers.go deduceAtom). Types may be recursive: parts are compiled when first asked for.
"""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.apply.elements import SELF, in_order, key_element, value_element
from apiserver.apimachinery.apply.sets import EMPTY, FieldSet, sorted_set
from apiserver.apimachinery.schema import (
    ANY,
    BOOLEAN,
    INT_OR_STRING,
    INTEGER,
    LIST,
    MAP,
    NUMBER,
    OBJECT,
    QUANTITY,
    STRING,
    Schema,
)

ATOMIC = "atomic"  # lists and maps
SET, KEYED = "set", "keyed"  # lists: items known by their value, by their keys
GRANULAR = "granular"  # maps
NUMERIC, TEXT, TRUTH, UNTYPED = "numeric", "string", "boolean", "untyped"  # scalars

MAX_REMEMBERED = 1024  # a type's memos are emptied when they hold more

Shape = tuple[FieldSet, tuple[tuple[str, str, "Type"], ...]]
Order = tuple[tuple[str, int], ...]

_RAW_EXTENSION = "io.k8s.apimachinery.pkg.runtime.RawExtension"
_SCALARS = {INTEGER: NUMERIC, NUMBER: NUMERIC, BOOLEAN: TRUTH, QUANTITY: UNTYPED}


class TypedError(ValueError):
    """A value that does not fit its type: (path, message) pairs, printed as structured-merge-diff does."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__(errors)
        self.errors = errors

    def __str__(self) -> str:
        texts = [f"{path}: {message}" if path else message for path, message in self.errors]
        return texts[0] if len(texts) == 1 else "\n  ".join(["errors:", *texts])


def _misfit(message: str) -> TypedError:
    return TypedError([("", message)])


class Type:
    """One type: up to one each of scalar, list and map; which of them counts depends on the value."""

    def __init__(self, types: Types) -> None:
        self._types = types
        self.scalar = ""
        self.list = ""
        self.map = ""
        self.keys: tuple[str, ...] = ()  # of a KEYED list
        self._defaults: dict[str, Any] = {}  # of its keys
        self._items: Schema | None = None
        self._properties: dict[str, Schema] = {}
        self._fields: dict[str, Type] = {}
        self._other: Schema | Type | None = None
        self._preserve = False  # parts inherit x-kubernetes-preserve-unknown-fields
        self.shapes: dict[tuple[str, ...], Shape] = {}
        self.orders: dict[tuple[str, ...], Order] = {}
        self._elements: dict[Any, str] = {}
        self._items_type: Type | None = None

    @property
    def items(self) -> Type:
        """What a list's items are."""
        found = self._items_type
        if found is None:
            found = self._types.untyped if self._items is None else self._types.of(self._items, self._preserve)
            self._items_type = found
        return found

    @property
    def other(self) -> Type | None:
        """What fields are that nobody declared; None: there may be none."""
        return self._types.of(self._other, self._preserve) if isinstance(self._other, Schema) else self._other

    @property
    def free_form(self) -> bool:
        """A map of which nothing is declared."""
        return self._other is self._types.deduced and not self._properties

    def declares(self, name: str) -> bool:
        return name in self._properties

    def field(self, name: str) -> Type | None:
        """The type of a map's field; None where no such field may be."""
        found = self._fields.get(name)
        if found is None and name in self._properties:
            found = self._fields[name] = self._types.of(self._properties[name], self._preserve)
        return found if found is not None else self.other

    def part(self, name: str) -> Type:
        """The type of a map's field, whatever it is for one that should not be."""
        return self.field(name) or self._types.deduced

    def shape(self, names: tuple[str, ...]) -> Shape:
        """The node of a map with these fields as if all were leaves, and those fields that may be more."""
        found = self.shapes.get(names)
        if found is None:
            found = self._make_shape(names)
            if len(self.shapes) >= MAX_REMEMBERED:
                self.shapes.clear()
            self.shapes[names] = found
        return found

    def _make_shape(self, names: tuple[str, ...]) -> Shape:
        node = sorted_set({SELF: EMPTY, **{f"f:{name}": EMPTY for name in names}})
        parts = [(name, f"f:{name}", self.part(name)) for name in names]
        return node, tuple([part for part in parts if part[2].is_deep])

    def order(self, elements: tuple[str, ...]) -> Order:
        """The elements of a list's items in order, each once, with its item's index; -1 for what is there twice."""
        found = self.orders.get(elements)
        if found is None:
            index = {element: i for i, element in reversed(list(enumerate(elements)))}
            doubles = {element for i, element in enumerate(elements) if index[element] != i}
            found = tuple([(e, -1 if e in doubles else index[e]) for e in in_order(index)])
            if len(self.orders) >= MAX_REMEMBERED:
                self.orders.clear()
            self.orders[elements] = found
        return found

    @property
    def is_deep(self) -> bool:
        """Whether a value may have more paths than its own."""
        return self.map == GRANULAR or self.list in (SET, KEYED)

    def element(self, item: Any) -> str:
        """The path element of an item of this (SET or KEYED) list. Raises TypedError."""
        if self.list == SET:
            return _set_element(item)
        if item.__class__ is not dict:
            return self._keyed_element(item)
        # Values of one key are of one type (the schema's), so that 1 and true are never mistaken for each other.
        values = item.get(self.keys[0]) if len(self.keys) == 1 else tuple([item.get(key) for key in self.keys])
        try:
            known = self._elements.get(values)
        except TypeError:  # a list or a map in place of a scalar
            return self._keyed_element(item)
        return known if known is not None else self._remember(values, item)

    def _remember(self, values: Any, item: dict[str, Any]) -> str:
        element = self._keyed_element(item)
        if len(self._elements) >= MAX_REMEMBERED:
            self._elements.clear()
        if None not in (values if values.__class__ is tuple else (values,)):  # null is not the same as absent
            self._elements[values] = element
        return element

    def _keyed_element(self, item: Any) -> str:
        if item is None:
            raise _misfit("associative list with keys may not have a null element")
        if not isinstance(item, dict):
            raise _misfit("associative list with keys may not have non-map elements")
        values = {k: v for k in self.keys if (v := item.get(k, self._defaults.get(k))) is not None or k in item}
        if not values:
            listed = " ".join(f'"{key}"' for key in self.keys)
            raise _misfit(
                f"associative list with keys has an element that omits all key fields [{listed}] "
                "(and doesn't have default values for any key fields)"
            )
        return key_element(values)


def _set_element(item: Any) -> str:
    if isinstance(item, dict):
        raise _misfit("associative list without keys has an element that's a map type")
    if isinstance(item, list):
        raise _misfit("not supported: associative list with lists as elements")
    if item is None:
        raise _misfit("associative list without keys has an element that's an explicit null")
    return value_element(item)


class Types:
    """Compiles Schemas and remembers what it compiled (and the Schemas, which must not change afterwards)."""

    def __init__(self) -> None:
        self.untyped = self._any(ATOMIC)
        self.deduced = self._any(GRANULAR)
        self._known: dict[tuple[int, bool], tuple[Schema, Type]] = {}

    def of(self, schema: Schema, preserve: bool = False) -> Type:
        known = self._known.get((id(schema), preserve))
        if known is None:
            known = self._known[id(schema), preserve] = (schema, self._compile(schema, preserve))
        return known[1]

    def _any(self, map_relation: str) -> Type:
        """Any value: lists are atomic, maps as said, and what is in a map is such a value again."""
        result = Type(self)
        result.scalar, result.list, result.map = UNTYPED, ATOMIC, map_relation
        result._other = result
        return result

    def _compile(self, schema: Schema, preserve: bool) -> Type:
        if schema.name == _RAW_EXTENSION:
            return self.untyped
        if schema.type in (ANY, INT_OR_STRING):
            return self.deduced
        result = Type(self)
        result._preserve = preserve or schema.preserve_unknown
        if schema.type in (OBJECT, MAP):
            self._compile_map(result, schema)
        elif schema.type == LIST:
            self._compile_list(result, schema)
        elif schema.type == STRING:
            result.scalar = TEXT if schema.format in ("", "byte") else UNTYPED
        else:
            result.scalar = _SCALARS.get(schema.type, UNTYPED)
        return result

    def _compile_map(self, result: Type, schema: Schema) -> None:
        result.map = ATOMIC if schema.map_type == "atomic" else GRANULAR
        result._properties = schema.properties
        if schema.additional is not None:
            result._other = schema.additional
        elif result._preserve or not schema.properties:
            result._other = self.deduced

    def _compile_list(self, result: Type, schema: Schema) -> None:
        result._items = schema.items
        if schema.list_type == "atomic":
            result.list = ATOMIC
            return
        result.keys = schema.list_keys if schema.list_type == "map" else ()
        result.list = KEYED if result.keys else SET
        properties = schema.items.properties if schema.items is not None else {}
        for key in result.keys:
            if key in properties and properties[key].default is not None:
                result._defaults[key] = properties[key].default
