"""Sets of field paths, as plain dicts in the very form of FieldsV1.

A set is a dict from element to node. A node is a dict: `{}` is a path that is a member; `{".": {}, …}` a member with paths
below it; anything else only leads to paths below. Keys stand in upstream's order. Sets are immutable by agreement: they
share nodes with each other, with objects and with memos; every function here returns a new set or one of its arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from apiserver.apimachinery.apply.elements import SELF, canonical, in_order

FieldSet: TypeAlias = dict[str, Any]
Path: TypeAlias = tuple[str, ...]

EMPTY: FieldSet = {}  # the empty set; as a node: a member with nothing below


def is_member(node: FieldSet) -> bool:
    return not node or SELF in node


def sorted_set(nodes: FieldSet) -> FieldSet:
    """The same with its (own) keys in order."""
    if len(nodes) < 2:
        return nodes
    return {element: nodes[element] for element in in_order(nodes)}


def of_paths(paths: Iterable[Path]) -> FieldSet:
    result: FieldSet = EMPTY
    for path in paths:
        node: FieldSet = EMPTY
        for element in reversed(path):
            node = {element: node}
        result = union(result, node)
    return result


def union(a: FieldSet, b: FieldSet) -> FieldSet:
    """Everything in either. Returns `a` itself where `b` adds nothing."""
    if a is b or not b:
        return a
    if not a:
        return b
    changed: FieldSet = {}
    added = False
    for element, node in b.items():
        mine = a.get(element)
        if mine is None:
            changed[element] = node
            added = True
        elif (both := _union_node(mine, node)) is not mine:
            changed[element] = both
    if not changed:
        return a
    result = {**a, **changed}
    return sorted_set(result) if added else result


def _union_node(a: FieldSet, b: FieldSet) -> FieldSet:
    if a is b or not (a or b):
        return a
    if not b:
        return a if SELF in a else {SELF: EMPTY, **a}
    if not a:
        return b if SELF in b else {SELF: EMPTY, **b}
    return union(a, b)


def difference(a: FieldSet, b: FieldSet) -> FieldSet:
    """The members of `a` that are not members of `b`. Returns `a` itself where nothing goes."""
    if not b or not a:
        return a
    result: FieldSet | None = None
    for element, taken in b.items():
        node = a.get(element)
        if node is None:
            continue
        left = _difference_node(node, taken)
        if left is not node:
            result = _replaced(a if result is None else result, element, left, fresh=result is not None)
    return a if result is None else result


def _difference_node(a: FieldSet, b: FieldSet) -> FieldSet | None:
    """What is left of a node; None for nothing."""
    if not a:
        return None if is_member(b) else a
    if not b:
        return {k: v for k, v in a.items() if k != SELF} if SELF in a else a
    left = difference(a, b)
    if left is a:
        return a
    return _closed(left)


def _closed(node: FieldSet) -> FieldSet | None:
    """A node after its parts were taken away: nothing left is None, only itself left is a plain member."""
    if not node:
        return None
    return EMPTY if len(node) == 1 and SELF in node else node


def _replaced(nodes: FieldSet, element: str, node: FieldSet | None, *, fresh: bool) -> FieldSet:
    result = nodes if fresh else dict(nodes)
    if node is None:
        del result[element]
    else:
        result[element] = node
    return result


def recursive_difference(a: FieldSet, b: FieldSet) -> FieldSet:
    """`a` without the members of `b` and everything below them."""
    if not b or not a:
        return a
    result: FieldSet | None = None
    for element, taken in b.items():
        node = a.get(element)
        if node is None or element == SELF:
            continue
        left = None if is_member(taken) else _below(node, taken)
        if left is not node:
            result = _replaced(a if result is None else result, element, left, fresh=result is not None)
    return a if result is None else result


def _below(node: FieldSet, taken: FieldSet) -> FieldSet | None:
    if not node:
        return node
    left = recursive_difference(node, taken)
    return node if left is node else _closed(left)


def intersection(a: FieldSet, b: FieldSet) -> FieldSet:
    """The members of both."""
    result: FieldSet = {}
    for element, node in a.items():
        other = b.get(element)
        if other is None:
            continue
        both = _intersection_node(node, other)
        if both is not None:
            result[element] = both
    return result


def _intersection_node(a: FieldSet, b: FieldSet) -> FieldSet | None:
    if not a:
        return EMPTY if is_member(b) else None
    if not b:
        return EMPTY if SELF in a else None
    return _closed(intersection(a, b))


def has(nodes: FieldSet, path: Path) -> bool:
    for element in path:
        found = nodes.get(element)
        if found is None:
            return False
        nodes = found
    return bool(path) and is_member(nodes)


def paths(nodes: FieldSet, prefix: Path = ()) -> Iterator[Path]:
    """Every member, in upstream's order: those of a level first, then what lies below each."""
    for element, node in nodes.items():
        if element != SELF and is_member(node):
            yield (*prefix, element)
    for element, node in nodes.items():
        if element != SELF and node:
            yield from paths(node, (*prefix, element))


def normalized(nodes: Any) -> FieldSet:
    """A set from somebody else's FieldsV1: canonical elements in order, unknown kinds skipped. Raises BadElement."""
    if not isinstance(nodes, dict):
        raise TypeError("a set is an object")
    result: FieldSet = {}
    for text, below in nodes.items():
        element = canonical(text) if text != SELF else None
        if element is not None:
            node = _normalized_node(below)
            result[element] = _union_node(result[element], node) if element in result else node
    return sorted_set(result)


def _normalized_node(below: Any) -> FieldSet:
    node = normalized(below)
    return {SELF: EMPTY, **node} if node and SELF in below else node
