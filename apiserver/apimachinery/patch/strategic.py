"""Strategic merge patch: a merge patch that knows lists of named things, with directives.

Mirrors upstream k8s.io/apimachinery/pkg/util/strategicpatch (mergeMap and what it calls). `$patch: replace|delete`,
`$retainKeys`, `$deleteFromPrimitiveList/<field>`, `$setElementOrder/<field>`; merge keys and strategies come from the Schema.
"""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.errors import bad_request
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.patch.copying import working_copy
from apiserver.apimachinery.patch.errors import go_print, go_string, go_type, json_type, rejected, unexpected
from apiserver.apimachinery.patch.ordering import in_order, interleave, positions, united
from apiserver.apimachinery.schema import LIST, MAP, OBJECT, Schema

DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM_LIST = "$deleteFromPrimitiveList"
SET_ORDER = "$setElementOrder"

_MERGE, _REPLACE, _DELETE, _RETAIN = "merge", "replace", "delete", "retainKeys"

Map = dict[str, Any]


def strategic_merge_patch(obj: Object, patch: Any, schema: Schema, *, in_place: bool = False) -> Object:
    """`obj` with `patch` merged in by the rules of its type. `patch` may be used up."""
    if patch is None:
        patch = {}
    if not isinstance(patch, dict):
        raise bad_request(f"json: cannot unmarshal {json_type(patch)} into Go value of type map[string]interface {{}}")
    return _merge_map(obj if in_place else working_copy(obj), patch, schema)


def _merge_map(original: Map | None, patch: Map, schema: Schema | None) -> Map:
    if DIRECTIVE in patch:
        return _whole_map(patch)
    original = {} if original is None else original
    if RETAIN_KEYS in patch:
        _retain_keys(original, patch)
    for key in [key for key in patch if key.startswith(SET_ORDER)]:
        _merge_ordered(original, patch, key, schema)
    for key, value in patch.items():
        if key.startswith(DELETE_FROM_LIST):
            _delete_from_list(original, _field_of(key, DELETE_FROM_LIST, "primitive list"), value, schema)
        elif value is None:
            original.pop(key, None)
        elif key in original and type(original[key]) is type(value):
            _merge_same_type(original, key, value, schema)
        else:
            _discard_nulls(value)
            _set(original, key, value)
    return original


def _whole_map(patch: Map) -> Map:
    """A map with a `$patch` of its own: taken as it is, or emptied."""
    directive = patch[DIRECTIVE]
    if directive == _REPLACE:
        del patch[DIRECTIVE]
        return patch
    if directive == _DELETE:
        return {}
    raise unexpected(f"unknown patch type: {go_string(directive)} in map: {go_print(patch)}")


def _merge_same_type(original: Map, key: str, value: Any, schema: Schema | None) -> None:
    if isinstance(value, dict):
        field = _field(schema, key)
        replaces = _strategy(field) == _REPLACE
        original[key] = value if replaces else _merge_map(original[key], value, field)
    elif isinstance(value, list):
        field = _list_field(schema, key)
        original[key] = _merge_list(original[key], value, field) if _strategy(field) == _MERGE else value
    else:
        _set(original, key, value)


def _set(target: Map, key: str, value: Any) -> None:
    """Put a value in whole, without the directives in it; a map that is a directive takes the key away."""
    if _is_directive(value):
        target.pop(key, None)
    else:
        target[key] = _without_directives(value)


def _is_directive(value: Any) -> bool:
    return isinstance(value, dict) and DIRECTIVE in value


def _without_directives(value: Any) -> Any:
    """In place for maps: upstream shows what is left of the patch when the result does not decode."""
    if isinstance(value, dict):
        for key in [key for key, inner in value.items() if _is_directive(inner)]:
            del value[key]
        for key, inner in value.items():
            value[key] = _without_directives(inner)
        return value
    if isinstance(value, list):
        return [_without_directives(item) for item in value if not _is_directive(item)]
    return value


def _discard_nulls(value: Any) -> None:
    """In place: a null in a new part means absence."""
    if isinstance(value, dict):
        for key in [key for key, inner in value.items() if inner is None]:
            del value[key]
        for inner in value.values():
            _discard_nulls(inner)
    elif isinstance(value, list):
        for item in value:
            _discard_nulls(item)


def _retain_keys(original: Map, patch: Map) -> None:
    """`$retainKeys`: what the list does not name goes away; the patch may only set what it names."""
    kept = patch.pop(RETAIN_KEYS)
    directives = (DELETE_FROM_LIST, SET_ORDER)
    if not isinstance(kept, list) or any(
        value is not None and key not in kept and not key.startswith(directives) for key, value in patch.items()
    ):
        raise bad_request("invalid patch format of retainKeys")
    for key in [key for key in original if key not in kept]:
        del original[key]


def _delete_from_list(original: Map, key: str, value: Any, schema: Schema | None) -> None:
    if value is None:
        original.pop(key, None)
        return
    current: Any = original.get(key)
    if type(current) is not type(value):
        return
    if not isinstance(value, list):
        if current is not None:
            _merge_same_type(original, key, value, schema)
        return
    field = _list_field(schema, key)
    if not current and not value:
        return
    if _element_type(current, value) is dict:
        original[key] = _merge_list(current, value, field)
    else:
        gone = positions(value)
        original[key] = [item for item in current if not gone.has(item)]


def _merge_ordered(original: Map, patch: Map, directive: str, schema: Schema | None) -> None:
    """`$setElementOrder/<key>` and the patch list of the same key, together; both leave the patch."""
    order = patch.pop(directive)
    if not isinstance(order, list):
        raise _bad_arg("[]interface {}", order)
    key = _field_of(directive, SET_ORDER, "setElementOrder list")
    current: Any = original.get(key)
    change: Any = patch.get(key)
    for found, value in ((key in original, current), (key in patch, change)):
        if found and not isinstance(value, list):
            raise _bad_arg("[]interface {}", value)
    field = _list_field(schema, key)
    _check_order(change or [], order, field.merge_key)
    if key in original and key in patch:
        merged = _merge_list(current, change, field) if _strategy(field) == _MERGE else change
    elif key in patch:
        merged = _without_directives(change)
    elif key in original:
        merged = current
    else:
        return
    is_map = _element_type(current or [], change or []) is dict
    original[key] = _arrange(merged, order, current or [], field.merge_key, is_map)
    patch.pop(key, None)


def _merge_list(original: list[Any], patch: list[Any], field: Schema) -> list[Any]:
    """Two lists of one kind: scalars are united, maps merged by the merge key; the patch's order goes before the live one."""
    if not original and not patch:
        return original
    if _element_type(original, patch) is not dict:
        merged = united([*original, *patch])
        return _arrange(merged, patch, original, field.merge_key, False)
    if not field.merge_key:
        raise unexpected(f"cannot merge lists without merge key for {_kind_of(field.items)}")
    original, patch = _apply_item_directives(original, patch, field.merge_key)
    merged = _merge_items(original, patch, field)
    return _arrange(merged, patch, original, field.merge_key, True)


def _apply_item_directives(original: list[Any], patch: list[Any], merge_key: str) -> tuple[list[Any], list[Any]]:
    """Items with `$patch: delete` take theirs away; one with `$patch: replace` makes the rest the whole list."""
    plain: list[Any] = []
    replace = False
    for item in patch:
        if DIRECTIVE not in item:
            plain.append(item)
            continue
        directive = item[DIRECTIVE]
        if directive == _DELETE:
            if merge_key not in item:
                raise _no_merge_key(item, merge_key)
            gone = positions([item[merge_key]])
            original = [o for o in original if merge_key not in o or not gone.has(o[merge_key])]
        elif directive == _REPLACE:
            replace = True
        elif directive == _MERGE:
            raise unexpected("merging lists cannot yet be specified in the patch")
        else:
            raise unexpected(f"unknown patch type: {go_string(directive)} in map: {go_print(item)}")
    return (plain, []) if replace else (original, plain)


def _merge_items(original: list[Any], patch: list[Any], field: Schema) -> list[Any]:
    merged = list(original)
    place = positions([item.get(field.merge_key, _ABSENT) for item in merged])
    for item in patch:
        if field.merge_key not in item:
            raise _no_merge_key(item, field.merge_key)
        at = place.of(item[field.merge_key])
        if at is None:
            place.append(item[field.merge_key])
            merged.append(item)
        else:
            merged[at] = _merge_map(merged[at], item, field.items)
    return merged


_ABSENT = object()


def _arrange(merged: list[Any], order: list[Any], live_order: list[Any], merge_key: str, is_map: bool) -> list[Any]:
    """Items that `order` names in its order, the others as they were in the live list, interleaved."""

    def key_of(item: Any) -> Any:
        if not merge_key:
            return item
        if not isinstance(item, dict):
            raise _bad_arg("map[string]interface {}", item)
        if merge_key not in item:
            raise _no_merge_key(item, merge_key)
        return item[merge_key]

    def loose_key(item: Any) -> Any:
        return (item.get(merge_key) if isinstance(item, dict) else None) if is_map else item

    if merge_key and merged:
        for index, item in enumerate(order):
            if not isinstance(item, dict):
                raise unexpected(f"value for key {index} is not a map")
    wanted = positions([key_of(item) for item in order])
    named = [item for item in merged if wanted.has(key_of(item))]
    others = [item for item in merged if not wanted.has(key_of(item))]
    live = positions([loose_key(item) for item in live_order])
    return interleave(in_order(others, live, loose_key), in_order(named, wanted, loose_key), live, loose_key)


def _check_order(change: list[Any], order: list[Any], merge_key: str) -> None:
    """The patch list must follow the order list, and name nothing else."""
    if not change or not order:
        return
    items = change
    if merge_key:
        for item in change:
            if not isinstance(item, dict):
                raise _bad_arg("map[string]interface {}", item)
        items = [item for item in change if DIRECTIVE not in item]
    at = 0
    for wanted in order:
        if at == len(items):
            return
        at += _same_key(items[at], wanted, merge_key)
    if at < len(items):
        raise unexpected(
            f"The order in patch list:\n{go_print(change)}\n doesn't match {SET_ORDER} list:\n{go_print(order)}\n"
        )


def _same_key(item: Any, wanted: Any, merge_key: str) -> bool:
    if merge_key:
        for side in (item, wanted):
            if not isinstance(side, dict):
                raise _bad_arg("map[string]interface {}", side)
            if merge_key not in side:
                raise _no_merge_key(side, merge_key)
        item, wanted = item[merge_key], wanted[merge_key]
    return positions([item]).has(wanted)


def _element_type(*lists: list[Any]) -> type:
    """The one type of all items; a list in lists, or a mixture, is refused."""
    found: type | None = None
    for items in lists:
        for item in items:
            if found is None:
                found = type(item)
                if found is list:
                    raise rejected()  # upstream: lists of lists are not supported
            elif type(item) is not found:
                printed = " ".join(go_print(one) for one in lists)
                raise unexpected(f"list element types are not identical: [{printed}]")
    if found is None:
        raise unexpected("no elements in any of the given slices")
    return found


def _field(schema: Schema | None, key: str) -> Schema:
    """The type of a field of a struct. Upstream's reflection also finds it when only the case differs."""
    if schema is None or schema.type != OBJECT:
        raise unexpected(f"merging an object in json but data type is not struct, instead is: {_kind_of(schema)}")
    found = schema.properties.get(key)
    if found is None:
        folded = key.casefold()
        found = next((field for name, field in schema.properties.items() if name.casefold() == folded), None)
    if found is None:
        raise unexpected(f'unable to find api field in struct {_struct_name(schema)} for the json field "{key}"')
    return found


def _list_field(schema: Schema | None, key: str) -> Schema:
    field = _field(schema, key)
    if field.type != LIST:
        parent = _kind_of(schema)
        raise unexpected(f"expected slice or array type, but got: {parent}")
    return field


def _strategy(field: Schema) -> str:
    """The strategy beside retainKeys (which only clients act on)."""
    return next((s for s in field.patch_strategy if s != _RETAIN), "")


def _struct_name(schema: Schema) -> str:
    return (schema.go_type or schema.name).rpartition(".")[2]


def _kind_of(schema: Schema | None) -> str:
    """reflect's Kind of what the schema describes."""
    if schema is None:
        return "interface"
    kinds = {OBJECT: "struct", MAP: "map", LIST: "slice", "string": "string", "boolean": "bool"}
    return kinds.get(schema.type, schema.format or "struct")


def _field_of(key: str, prefix: str, what: str) -> str:
    """`$setElementOrder/containers` → `containers`."""
    head, slash, field = key.partition("/")
    if not slash or head != prefix:
        raise bad_request(f"invalid patch format of {what}")
    return field


def _no_merge_key(item: Map, merge_key: str) -> Exception:
    return unexpected(f"map: {go_print(item)} does not contain declared merge key: {merge_key}")


def _bad_arg(expected: str, value: Any) -> Exception:
    found = go_string(None) if value is None else go_type(value)
    return unexpected(f"expected a {expected}, but received a {found}")
