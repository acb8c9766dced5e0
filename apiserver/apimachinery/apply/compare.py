"""What changed between two values of a type, as three sets: removed, modified, added.

Mirrors structured-merge-diff typed/compare.go. This is on the path of every write: equal parts are skipped by `==`, and the
paths of a new part come from memos of its shape, as shared nodes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from apiserver.apimachinery.apply.elements import SELF
from apiserver.apimachinery.apply.sets import EMPTY, FieldSet, recursive_difference, sorted_set, union
from apiserver.apimachinery.apply.types import GRANULAR, KEYED, SET, Type, TypedError


class Comparison(NamedTuple):
    """No path is in two of them. All empty: the values are equal."""

    removed: FieldSet
    modified: FieldSet
    added: FieldSet

    @property
    def changed(self) -> FieldSet:
        """What the right side set: modified or added."""
        return union(self.modified, self.added)

    def without(self, excluded: FieldSet) -> Comparison:
        if not excluded:
            return self
        return Comparison(*[recursive_difference(part, excluded) for part in self])


def compare(left: Any, right: Any, type: Type) -> Comparison:
    """Raises TypedError where an item of a list has no element."""
    found = Changes()
    if left != right:
        _compare(left, right, type, found)
    return Comparison(sorted_set(found.removed), sorted_set(found.modified), sorted_set(found.added))


def node_of_new(value: Any, type: Type) -> FieldSet:
    """The node of a part that only one side has: itself and everything in it."""
    if not value:
        return EMPTY
    if value.__class__ is dict:
        return _node_of_map(value, type) if type.map == GRANULAR else EMPTY
    if value.__class__ is list:
        return _node_of_items(value, type) if type.list in (KEYED, SET) else EMPTY
    return EMPTY


def _node_of_map(value: dict[str, Any], type: Type) -> FieldSet:
    names = tuple(value)
    node, deep = type.shapes.get(names) or type.shape(names)
    if not deep:
        return node
    copied = False
    for name, element, part in deep:
        inner = value[name]
        if not inner:
            continue
        kind = inner.__class__
        if kind is dict:
            below = _node_of_map(inner, part) if part.map == GRANULAR else None
        elif kind is list:
            below = _node_of_items(inner, part) if part.list in (KEYED, SET) else None
        else:
            continue
        if below is not None:
            if not copied:
                node = node.copy()
                copied = True
            node[element] = below
    return node


def _node_of_items(items: list[Any], type: Type) -> FieldSet:
    elements = _elements(items, type)
    part = type.items
    granular = part.map == GRANULAR
    node: FieldSet = {SELF: EMPTY}
    for element, i in type.orders.get(elements) or type.order(elements):
        item = items[i]
        if i >= 0 and granular and item and item.__class__ is dict:
            node[element] = _node_of_map(item, part)
        else:
            node[element] = EMPTY
    return node


def _elements(items: list[Any], type: Type) -> tuple[str, ...]:
    try:
        return tuple([type.element(item) for item in items])
    except TypedError:
        return tuple([_element(type, i, item) for i, item in enumerate(items)])


def _element(type: Type, index: int, item: Any) -> str:
    try:
        return type.element(item)
    except TypedError as e:
        raise TypedError([("", f"element {index}: {message}") for _, message in e.errors]) from e


class Changes:
    """The three sets of one level while it is compared; order comes when it is closed."""

    __slots__ = ("added", "modified", "removed")

    def __init__(self) -> None:
        self.removed: FieldSet = {}
        self.modified: FieldSet = {}
        self.added: FieldSet = {}

    def adopt(self, element: str, below: Changes, leaf: bool) -> None:
        """Take over what changed below an element; a leaf itself was modified."""
        if below.removed:
            self.removed[element] = sorted_set(below.removed)
        if below.added:
            self.added[element] = sorted_set(below.added)
        if leaf:
            self.modified[element] = {SELF: EMPTY, **sorted_set(below.modified)} if below.modified else EMPTY
        elif below.modified:
            self.modified[element] = sorted_set(below.modified)


def _compare(left: Any, right: Any, type: Type, found: Changes) -> bool:
    """Compare two different values; whether they differ as leaves."""
    left_kind, right_kind = _kind(left, type), _kind(right, type)
    if left_kind == right_kind:
        return _compare_as(left_kind, left, right, type, found)
    leaf = _compare_as(left_kind, left, right, type, found)
    return _compare_as(right_kind, left, right, type, found) or leaf


def _kind(value: Any, type: Type) -> str:
    """Which side of its type a value shows (deduceAtom, handleAtom); null shows the first there is."""
    if isinstance(value, dict):
        if type.map:
            return "map"
    elif isinstance(value, list):
        if type.list:
            return "list"
    elif value is not None and type.scalar:
        return "scalar"
    return "map" if type.map else "scalar" if type.scalar else "list"


def _compare_as(kind: str, left: Any, right: Any, type: Type, found: Changes) -> bool:
    if kind == "map" and type.map == GRANULAR:
        left_map = left if isinstance(left, dict) else {}
        right_map = right if isinstance(right, dict) else {}
        if left_map or right_map:
            _compare_maps(left_map, right_map, type, found)
            return False
    elif kind == "list" and type.list in (KEYED, SET):
        left_list = left if isinstance(left, list) else []
        right_list = right if isinstance(right, list) else []
        if left_list or right_list:
            _compare_lists(left_list, right_list, type, found)
            return False
    return bool(left != right)


def _compare_maps(left: dict[str, Any], right: dict[str, Any], type: Type, found: Changes) -> None:
    for name, old in left.items():
        if name not in right:
            found.removed[f"f:{name}"] = node_of_new(old, type.part(name))
            continue
        new = right[name]
        if old is not new and old != new:
            below = Changes()
            leaf = _compare(old, new, type.part(name), below)
            found.adopt(f"f:{name}", below, leaf)
    fresh = {name: new for name, new in right.items() if name not in left}
    if fresh:
        found.added.update(_node_of_map(fresh, type))
        del found.added[SELF]


def _compare_lists(left: list[Any], right: list[Any], type: Type, found: Changes) -> None:
    if not left:
        found.added.update(_node_of_items(right, type))
        del found.added[SELF]
        return
    part = type.items
    old, new = _by_element(left, type), _by_element(right, type)
    for element, before in old.items():
        after = new.get(element, [])
        if len(before) == 1 and len(after) <= 1:
            if not after:
                found.removed[element] = node_of_new(before[0], part)
            elif before[0] != after[0]:
                below = Changes()
                leaf = _compare(before[0], after[0], part, below)
                found.adopt(element, below, leaf)
        elif len(before) > 1 and len(after) > 1:
            if before != after:
                found.modified[element] = EMPTY
        elif len(before) > 1:
            # Doubles before, at most one now: the mark of doubles goes, the one is new.
            found.removed[element] = EMPTY
            if after:
                found.added[element] = node_of_new(after[0], part)
        else:
            found.removed[element] = node_of_new(before[0], part)
            found.added[element] = EMPTY
    for element, after in new.items():
        if element not in old:
            found.added[element] = node_of_new(after[0], part) if len(after) == 1 else EMPTY


def _by_element(items: list[Any], type: Type) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for i, item in enumerate(items):
        found.setdefault(_element(type, i, item), []).append(item)
    return found
