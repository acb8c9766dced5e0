"""Sets written under an older schema, brought to this one: what has become atomic is owned whole.

Mirrors structured-merge-diff typed/reconcile_schema.go.
"""

from __future__ import annotations

from apiserver.apimachinery.apply.elements import SELF
from apiserver.apimachinery.apply.sets import EMPTY, FieldSet
from apiserver.apimachinery.apply.types import ATOMIC, Type


def reconciled(fields: FieldSet, type: Type) -> FieldSet:
    """The set as this type has it; `fields` itself where nothing changes."""
    if type.map:
        return fields if type.free_form else _fields_of_map(fields, type)
    return _items_of_list(fields, type) if type.list and not type.scalar else fields


def _node(node: FieldSet, type: Type) -> FieldSet:
    if not node:
        return node
    atomic = type.map == ATOMIC if type.map else (type.list == ATOMIC and not type.scalar)
    if atomic and not (type.map and type.free_form):
        return EMPTY
    return reconciled(node, type)


def _fields_of_map(fields: FieldSet, type: Type) -> FieldSet:
    changed = {}
    for element, node in fields.items():
        if node and element != SELF:
            part = type.field(element[2:]) if element[:2] == "f:" else type.other
            if part is not None and (now := _node(node, part)) is not node:
                changed[element] = now
    return {**fields, **changed} if changed else fields


def _items_of_list(fields: FieldSet, type: Type) -> FieldSet:
    changed = {}
    part = type.items
    for element, node in fields.items():
        if node and element != SELF and (now := _node(node, part)) is not node:
            changed[element] = now
    return {**fields, **changed} if changed else fields
