"""Values with their type: are they valid, which paths do they set, merging one into another, taking paths away.

Mirrors structured-merge-diff typed/{validate,tofieldset,merge,remove}.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from apiserver.apimachinery.apply.elements import SELF, path_text
from apiserver.apimachinery.apply.sets import EMPTY, FieldSet, is_member, sorted_set
from apiserver.apimachinery.apply.types import ATOMIC, NUMERIC, TEXT, TRUTH, UNTYPED, Type, TypedError

_ABSENT: Any = object()


def kind_of(value: Any, type: Type) -> str:
    """Which side of its type a value shows: map, scalar or list; null (or a misfit) shows the first there is."""
    if isinstance(value, dict):
        if type.map:
            return "map"
    elif isinstance(value, list):
        if type.list:
            return "list"
    elif value is not None and type.scalar:
        return "scalar"
    return "map" if type.map else "scalar" if type.scalar else "list"


# Validation


def validate(value: Any, type: Type, *, allow_duplicates: bool = False) -> None:
    """Raises TypedError with everything that is wrong."""
    errors = list(_errors(value, type, allow_duplicates))
    if errors:
        raise TypedError(errors)


def _errors(value: Any, type: Type, allow_duplicates: bool) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    kind = kind_of(value, type)
    if kind == "scalar":
        message = _scalar_error(value, type.scalar)
        if message:
            yield "", message
    elif kind == "list":
        yield from _list_errors(value, type, allow_duplicates)
    else:
        yield from _map_errors(value, type, allow_duplicates)


def _scalar_error(value: Any, scalar: str) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if scalar == NUMERIC and not is_number:
        return f"expected numeric (int or float), got {_go_type(value)}"
    if scalar == TEXT and not isinstance(value, str):
        return f"expected string, got &value.valueUnstructured{{Value:{_go_syntax(value)}}}"
    if scalar == TRUTH and not isinstance(value, bool):
        return f"expected boolean, got &{{{_go_print(value)}}}"
    if scalar == UNTYPED and isinstance(value, dict | list):
        return f"expected any scalar, got &{{{_go_print(value)}}}"
    return ""


def _map_errors(value: Any, type: Type, allow_duplicates: bool) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict):
        yield "", f"expected map, got &{{{_go_print(value)}}}"
        return
    for name, inner in value.items():
        part = type.field(name)
        if part is None:
            yield f".{name}", "field not declared in schema"
            return
        for path, message in _errors(inner, part, allow_duplicates):
            yield f".{name}{path}", message


def _list_errors(value: Any, type: Type, allow_duplicates: bool) -> Iterator[tuple[str, str]]:
    if not isinstance(value, list):
        yield "", f"expected list, got &{{{_go_print(value)}}}"
        return
    seen = set()
    part = type.items
    for i, item in enumerate(value):
        element = f"i:{i}"
        if type.list != ATOMIC:
            try:
                element = type.element(item)
            except TypedError as e:
                yield "", f"element {i}: {e}"
                return
            if element in seen and not allow_duplicates:
                yield "", f"duplicate entries for key {path_text([element])}"
            seen.add(element)
        for path, message in _errors(item, part, allow_duplicates):
            yield f"{path_text([element])}{path}", message


# Printing values as Go does


def _go_type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, dict):
        return "map[string]interface {}"
    return "[]interface {}" if isinstance(value, list) else "int64" if isinstance(value, int) else "float64"


def _go_print(value: Any) -> str:
    """`%v`"""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_go_print(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(_go_print, value)) + "]"
    return str(value)


def _go_syntax(value: Any) -> str:
    """`%#v`"""
    if value is None:
        return "interface {}(nil)"
    if isinstance(value, str):
        return orjson.dumps(value).decode()
    if isinstance(value, dict):
        inner = ", ".join(f"{_go_syntax(key)}:{_go_syntax(value[key])}" for key in sorted(value))
        return f"map[string]interface {{}}{{{inner}}}"
    if isinstance(value, list):
        return "[]interface {}{" + ", ".join(map(_go_syntax, value)) + "}"
    return _go_print(value)


# Paths


def field_set(value: Any, type: Type) -> FieldSet:
    """The paths that a (valid) object sets."""
    return _paths(value, type)[1]


def _paths(value: Any, type: Type) -> tuple[bool, FieldSet]:
    """Whether the value's own path is set, and the paths below it."""
    kind = kind_of(value, type)
    if kind == "scalar" or (type.map if kind == "map" else type.list) == ATOMIC:
        return True, EMPTY
    if not value:
        return False, EMPTY
    return False, _map_paths(value, type) if kind == "map" else _list_paths(value, type)


def _map_paths(value: dict[str, Any], type: Type) -> FieldSet:
    found: FieldSet = {}
    for name, inner in value.items():
        member, below = _paths(inner, type.part(name))
        if member or inner is None or inner == {} or not type.declares(name):
            found[f"f:{name}"] = {SELF: EMPTY, **below} if below else EMPTY
        elif below:
            found[f"f:{name}"] = below
    return sorted_set(found)


def _list_paths(value: list[Any], type: Type) -> FieldSet:
    found: FieldSet = {}
    part = type.items
    for item in value:
        element = type.element(item)
        below = EMPTY if element in found else _paths(item, part)[1]
        found[element] = {SELF: EMPTY, **below} if below else EMPTY
    return sorted_set(found)


# Merging


def merge(left: Any, right: Any, type: Type) -> Any:
    """`left` with `right` merged over it. Shares parts with both; raises TypedError."""
    merged = _merge(left, right, type)
    return None if merged is _ABSENT else merged


def _merge(left: Any, right: Any, type: Type) -> Any:
    """One of the two may be absent; the result is absent for what comes to nothing."""
    if right is _ABSENT:
        return _merge_as(kind_of(left, type), left, right, type)
    return _merge_as(kind_of(right, type), left, right, type)


def _merge_as(kind: str, left: Any, right: Any, type: Type) -> Any:
    if kind == "map" and type.map != ATOMIC:
        left_map = left if isinstance(left, dict) else {}
        right_map = right if isinstance(right, dict) else {}
        if left_map or right_map:
            return _merge_maps(left_map, right_map, type)
    elif kind == "list" and type.list != ATOMIC:
        left_list = left if isinstance(left, list) else []
        right_list = right if isinstance(right, list) else []
        if left_list or right_list:
            return _merge_lists(left_list, right_list, type)
    return left if right is _ABSENT else right


def _merge_maps(left: dict[str, Any], right: dict[str, Any], type: Type) -> Any:
    merged = {}
    for name, value in left.items():
        merged[name] = _merge(value, right.get(name, _ABSENT), type.part(name))
    for name, value in right.items():
        if name not in left:
            merged[name] = _merge(_ABSENT, value, type.part(name))
    merged = {name: value for name, value in merged.items() if value is not _ABSENT}
    return merged or _ABSENT


def _merge_lists(left: list[Any], right: list[Any], type: Type) -> Any:
    """Items in the order of `right`; items of `left` alone stay near their neighbours."""
    merger = _ListMerger(left, right, type)
    return merger.merged() or _ABSENT


class _ListMerger:
    """One merge of two associative lists, with upstream's walk along both (typed/merge.go visitListItems)."""

    def __init__(self, left: list[Any], right: list[Any], type: Type) -> None:
        self.type = type
        self.left = left
        self.left_elements, self.left_items = _indexed(left, type, allow_duplicates=True)
        self.right_elements, self.right_items = _indexed(right, type, allow_duplicates=False)
        self.shared = iter([e for e in self.right_elements if e in self.left_items])
        self.next_shared = next(self.shared, None)
        self.taken: set[str] = set()
        self.out: list[Any] = []

    def merged(self) -> list[Any]:
        at_left = at_right = 0
        while at_left < len(self.left_elements) or at_right < len(self.right_elements):
            if at_left < len(self.left_elements) and at_right < len(self.right_elements):
                element = self.left_elements[at_left]
                if element == self.right_elements[at_right]:
                    self._take_both(element)
                    at_left += 1
                    at_right += 1
                    self.next_shared = next(self.shared, None)
                    continue
                if element in self.right_items and self.next_shared not in (None, element):
                    at_left += 1  # shared, but its turn comes later
                    continue
            if at_left < len(self.left_elements):
                element = self.left_elements[at_left]
                if element not in self.right_items:
                    self._take(self.left[at_left], _ABSENT)
                    at_left += 1
                    continue
                if element in self.taken:
                    at_left += 1
            if at_right < len(self.right_elements):
                element = self.right_elements[at_right]
                self._take_both(element)
                at_right += 1
                if self.next_shared == element:
                    self.next_shared = next(self.shared, None)
        return self.out

    def _take_both(self, element: str) -> None:
        self.taken.add(element)
        self._take(self.left_items.get(element, _ABSENT), self.right_items[element])

    def _take(self, left: Any, right: Any) -> None:
        item = _merge(left, right, self.type.items)
        if item is not _ABSENT:
            self.out.append(item)


def _indexed(items: list[Any], type: Type, *, allow_duplicates: bool) -> tuple[list[str], dict[str, Any]]:
    """The elements in order, and the item of each; of doubles there is none to merge with (null)."""
    elements: list[str] = []
    found: dict[str, Any] = {}
    errors: list[tuple[str, str]] = []
    for i, item in enumerate(items):
        try:
            element = type.element(item)
        except TypedError as e:
            errors.append(("", f"element {i}: {e}"))
            continue
        if element in found and not allow_duplicates:
            errors.append(("", f"duplicate entries for key {path_text([element])}"))
            continue
        found[element] = None if element in found else item
        elements.append(element)
    if errors:
        raise TypedError(errors)
    return elements, found


# Taking away


def remove(value: Any, paths: FieldSet, type: Type) -> Any:
    """`value` without the members of `paths`; what becomes empty on the way goes too (null at the top)."""
    if not paths:
        return value
    removed = _remove(value, paths, type)
    return None if removed is _ABSENT else removed


def _remove(value: Any, paths: FieldSet, type: Type) -> Any:
    kind = kind_of(value, type)
    if kind == "scalar":
        return value
    if not value or (type.map if kind == "map" else type.list) == ATOMIC:
        return _ABSENT
    return _remove_from_map(value, paths, type) if kind == "map" else _remove_from_list(value, paths, type)


def _remove_from_map(value: dict[str, Any], paths: FieldSet, type: Type) -> Any:
    left = {}
    for name, inner in value.items():
        node = paths.get(f"f:{name}")
        if node is None:
            left[name] = inner
        elif not is_member(node):
            inner = _remove(inner, node, type.part(name))
            left[name] = None if inner is _ABSENT else inner
    return left or _ABSENT


def _remove_from_list(value: list[Any], paths: FieldSet, type: Type) -> Any:
    left = []
    for item in value:
        node = paths.get(type.element(item))
        if node is None:
            left.append(item)
        elif not is_member(node):
            item = _remove(item, node, type.items)
            left.append(None if item is _ABSENT else item)
    return left or _ABSENT
