"""Who owns what after an update or an apply, and what an apply makes of an object.

Mirrors structured-merge-diff merge/update.go. Objects are dicts in some version; `apiVersion` says which.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.apimachinery.apply.compare import Comparison, compare
from apiserver.apimachinery.apply.elements import SELF
from apiserver.apimachinery.apply.managed import ManagerKey, Owner, Owners
from apiserver.apimachinery.apply.sets import (
    EMPTY,
    FieldSet,
    Path,
    difference,
    intersection,
    paths,
    recursive_difference,
    union,
)
from apiserver.apimachinery.apply.typed import field_set, merge, remove
from apiserver.apimachinery.apply.types import KEYED, Type
from apiserver.apimachinery.objects import Object


class MissingVersion(Exception):
    """The kind does not exist in this version (any more)."""


class Conflicts(Exception):
    """An apply would change what others own: their paths."""

    def __init__(self, found: dict[ManagerKey, FieldSet]) -> None:
        super().__init__("conflicts")
        self.found = found

    def each(self) -> list[tuple[ManagerKey, Path]]:
        ordered = sorted(self.found.items(), key=lambda item: item[0].text())
        return [(key, path) for key, fields in ordered for path in paths(fields)]


class Updater:
    """`type_of(version)` and `convert(object, version)` raise MissingVersion."""

    def __init__(self, type_of: Callable[[str], Type], convert: Callable[[Object, str], Object]) -> None:
        self.type_of = type_of
        self._convert = convert

    def convert(self, obj: Object, version: str) -> Object:
        current = obj.get("apiVersion") or ""
        if current == version:
            return obj
        if current.rpartition("/")[0] != version.rpartition("/")[0]:
            raise MissingVersion  # Events are in two groups; upstream's converter stays in one
        return self._convert(obj, version)

    def update(
        self, live: Object, new: Object, version: str, owners: Owners, own: ManagerKey, excluded: FieldSet
    ) -> tuple[Owners, FieldSet]:
        """The owners after `own` changed `live` into `new`, and the paths it set."""
        comparison = compare(live, new, self.type_of(version)).without(excluded)
        left: Owners = {}
        changes = {version: comparison}
        for key, owner in owners.items():
            changed = self._changes(live, new, owner.api_version, excluded, changes)
            if changed is None:
                continue
            fields = difference(owner.fields, changed.removed)
            if key != own:  # what the writer set anew it has again right after
                fields = difference(fields, changed.changed)
            if fields is owner.fields:
                left[key] = owner
            elif fields:
                left[key] = owner._replace(fields=fields)
        return left, comparison.changed

    def _changes(
        self, live: Object, new: Object, version: str, excluded: FieldSet, known: dict[str, Comparison]
    ) -> Comparison | None:
        """What changed, seen in a version; None where the kind does not exist in it."""
        found = known.get(version)
        if found is None:
            try:
                type = self.type_of(version)
                found = compare(self.convert(live, version), self.convert(new, version), type).without(excluded)
            except MissingVersion:
                return None
            known[version] = found
        return found

    def apply(
        self,
        live: Object,
        config: Object,
        version: str,
        owners: Owners,
        own: ManagerKey,
        excluded: FieldSet,
        force: bool,
    ) -> tuple[Object | None, Owners]:
        """The merged object (None: it equals the live one) and its owners. Raises Conflicts."""
        type = self.type_of(version)
        merged = merge(live, config, type)
        last = owners.get(own)
        applied = recursive_difference(field_set(config, type), excluded)
        owners = {**owners, own: Owner(applied, version, last.time if last is not None else "")}
        new = self._pruned(merged, owners, own, last)
        owners = self._owners_after_apply(live, new, version, owners, own, excluded, force)
        return (None if live == new else new), owners

    def _owners_after_apply(
        self, live: Object, new: Object, version: str, owners: Owners, own: ManagerKey, excluded: FieldSet, force: bool
    ) -> Owners:
        changes = {version: compare(live, new, self.type_of(version)).without(excluded)}
        left: Owners = {}
        conflicts: dict[ManagerKey, FieldSet] = {}
        for key, owner in owners.items():
            if key == own:
                left[key] = owner
                continue
            changed = self._changes(live, new, owner.api_version, excluded, changes)
            if changed is None:
                continue
            if conflict := intersection(owner.fields, changed.changed):
                conflicts[key] = conflict
            fields = difference(difference(owner.fields, changed.changed), changed.removed)
            if fields is owner.fields:
                left[key] = owner
            elif fields:
                left[key] = owner._replace(fields=fields)
        if conflicts and not force:
            raise Conflicts(conflicts)
        return left

    # What the applier gave up

    def _pruned(self, merged: Object, owners: Owners, own: ManagerKey, last: Owner | None) -> Object:
        """Without what the applier applied last time, does not apply now, and nobody else owns."""
        if last is None or not last.fields:
            return merged
        now = owners[own]
        if now.api_version == last.api_version and not difference(last.fields, now.fields):
            return merged  # nothing was given up
        version = last.api_version
        try:
            converted = self.convert(merged, version)
        except MissingVersion:
            return merged
        type = self.type_of(version)
        pruned = remove(converted, with_named_fields(last.fields, type), type)
        pruned = self._with_owned_items(converted, pruned, version, owners)
        pruned = self._with_dangling_items(converted, pruned, last)
        return self.convert(pruned, now.api_version)

    def _with_owned_items(self, merged: Any, pruned: Any, version: str, owners: Owners) -> Any:
        """Put back what someone owns, the pruned version first: other versions may need it to convert."""
        owned: dict[str, FieldSet] = {}
        for owner in owners.values():
            owned[owner.api_version] = union(owned.get(owner.api_version, EMPTY), owner.fields)
        for at in sorted(owned, key=lambda v: (v != version, v)):
            merged, pruned = self._with_owned_at(merged, pruned, at, owned[at])
        return pruned

    def _with_owned_at(self, merged: Any, pruned: Any, version: str, owned: FieldSet) -> tuple[Any, Any]:
        try:
            type = self.type_of(version)
            merged, pruned = self.convert(merged, version), self.convert(pruned, version)
        except MissingVersion:
            return merged, pruned
        gone = difference(
            with_named_fields(field_set(merged, type), type),
            union(with_named_fields(field_set(pruned, type), type), with_named_fields(owned, type)),
        )
        return merged, remove(merged, gone, type)

    def _with_dangling_items(self, merged: Any, pruned: Any, last: Owner) -> Any:
        """Put back what the applier never owned."""
        type = self.type_of(last.api_version)
        pruned = self.convert(pruned, last.api_version)
        gone = difference(
            with_named_fields(field_set(merged, type), type), with_named_fields(field_set(pruned, type), type)
        )
        return remove(merged, intersection(gone, with_named_fields(last.fields, type)), type)


def with_named_fields(fields: FieldSet, type: Type) -> FieldSet:
    """The set with every declared field that leads somewhere made a member (EnsureNamedFieldsAreMembers)."""
    result: FieldSet = {}
    for element, node in fields.items():
        if element == SELF or not node:
            result[element] = node
            continue
        part = _part(type, element)
        below = with_named_fields(node, part) if part is not None else node
        if SELF not in below and element[:2] == "f:" and type.map and type.declares(element[2:]):
            below = {SELF: EMPTY, **below}
        result[element] = below
    return result


def _part(type: Type, element: str) -> Type | None:
    if element[:2] == "f:":
        return type.field(element[2:]) if type.map else None
    return type.items if element[:2] == "k:" and type.list == KEYED else None
