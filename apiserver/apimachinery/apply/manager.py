"""FieldManager: managedFields of one resource, kept on every write, and server-side apply.

Composes what upstream's managedfields package stacks up as managers: version check, last-applied migration, skipping what
was never applied, the cap of updaters, manager identifiers, timestamps, stripped metadata, the structured merge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from apiserver.apimachinery import objects
from apiserver.apimachinery.apply import lastapplied
from apiserver.apimachinery.apply.cap import capped
from apiserver.apimachinery.apply.conflicts import conflict_error
from apiserver.apimachinery.apply.empty import empty_object
from apiserver.apimachinery.apply.managed import (
    APPLY,
    UPDATE,
    BadManagedFields,
    Entry,
    ManagerKey,
    Owner,
    Owners,
    check_entry,
    decode_fields,
    is_reset,
    key_for,
    read_entry,
    write_entries,
)
from apiserver.apimachinery.apply.reconcile import reconciled
from apiserver.apimachinery.apply.sets import FieldSet, difference, of_paths, union
from apiserver.apimachinery.apply.typed import validate
from apiserver.apimachinery.apply.types import Type, TypedError, Types
from apiserver.apimachinery.apply.updater import Conflicts, MissingVersion, Updater
from apiserver.apimachinery.errors import StatusError, bad_request
from apiserver.apimachinery.gvk import GroupVersion
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.schema import Schema

ResetFields = tuple[tuple[str, ...], ...]

BEFORE_FIRST_APPLY = "before-first-apply"
MAX_REMEMBERED = 4096  # decoded sets

_STRIPPED_META = (
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
)
STRIPPED = of_paths(
    [("f:apiVersion",), ("f:kind",), ("f:metadata",), *[("f:metadata", f"f:{name}") for name in _STRIPPED_META]]
)


class FieldManager:
    """`schema_of(api_version)` and `convert(object, api_version)` raise KeyError (or MissingVersion) for versions
    the kind does not have. Objects come in the hub version; `convert` must return a new object and set `apiVersion`."""

    def __init__(
        self,
        kind: str,
        hub_api_version: str,
        schema_of: Callable[[str], Schema],
        convert: Callable[[Object, str], Object] | None = None,
        types: Types | None = None,
    ) -> None:
        self.kind = kind
        self.hub_api_version = hub_api_version
        self._schema_of = schema_of
        self._convert = convert
        self._types = types if types is not None else Types()
        self._type_of: dict[str, Type] = {}
        self._empty: dict[str, Object] = {}
        self._excluded: dict[ResetFields, FieldSet] = {}
        self._decoded: dict[tuple[str, bytes], FieldSet] = {}
        self._updater = Updater(self._type, self._to_version)

    # Updates

    def on_update(
        self,
        live: Object | None,
        new: Object,
        *,
        api_version: str,
        manager: str,
        subresource: str = "",
        now: str,
        reset_fields: ResetFields = (),
    ) -> None:
        """Set `new`'s managedFields after a create (`live` is None), update or patch in `api_version`. Never fails."""
        meta = objects.metadata(new)
        given = meta.pop("managedFields", None)
        current = ((live or {}).get("metadata") or {}).get("managedFields") or []
        try:
            owners, tracked = self._owners(current, None if subresource else given)
            if tracked or live is None:
                key = key_for(manager or "unknown", UPDATE, api_version, subresource)
                owners = self._updated(live, new, owners, key, api_version, now, reset_fields)
            entries = write_entries(owners)
        except (TypedError, BadManagedFields):
            entries = current
        if entries:
            meta["managedFields"] = entries

    def _owners(self, current: list[Entry], given: Any) -> tuple[Owners, bool]:
        """The owners a write starts from: the client's entries where it sent good ones, else the live object's;
        and whether there were any entries (of versions gone by, too)."""
        if given is not None and given != current:
            if is_reset(given):
                return {}, False
            try:
                return self._read(given), True
            except BadManagedFields:
                pass
        try:
            return self._read(current), bool(current)
        except BadManagedFields:
            return {}, False

    def _updated(
        self,
        live: Object | None,
        new: Object,
        owners: Owners,
        key: ManagerKey,
        api_version: str,
        now: str,
        reset_fields: ResetFields,
    ) -> Owners:
        before = self._empty_object(api_version) if live is None else self._to_version(live, api_version)
        after = self._to_version(new, api_version)
        owners, changed = self._updater.update(
            before, after, api_version, owners, key, self._excluded_set(reset_fields)
        )
        changed = difference(changed, STRIPPED)
        if changed:
            previous = owners.get(key)
            fields = union(previous.fields, changed) if previous is not None else changed
            owners = {**owners, key: Owner(fields, api_version, now)}
        return capped(owners)

    # Apply

    def on_apply(
        self,
        live: Object | None,
        applied: Object,
        *,
        api_version: str,
        manager: str,
        force: bool = False,
        subresource: str = "",
        now: str,
        reset_fields: ResetFields = (),
    ) -> Object:
        """The live object (None: a new one) with `applied` merged in, in `api_version`, shared with neither.

        Raises StatusErrors: 409 for conflicts, 400 for another type or managedFields of its own, 500 as upstream for
        what does not fit the schema. The result still has to be decoded and defaulted; it may hold nulls.
        """
        self._check_applied(applied, api_version)
        entries = ((live or {}).get("metadata") or {}).get("managedFields") or []
        try:
            owners = self._read(entries)
        except BadManagedFields as e:
            raise StatusError(500, "", f"failed to decode managed fields: {e}") from e
        base = self._empty_object(api_version) if live is None else self._to_version(live, api_version)
        if not entries and live is not None:
            before = key_for(BEFORE_FIRST_APPLY, UPDATE, api_version, subresource)
            try:
                owners = self._updated(None, live, {}, before, api_version, now, reset_fields)
            except TypedError as e:
                raise StatusError(500, "", f"failed to create manager for existing fields: {e}") from e
        key = key_for(manager or "unknown", APPLY, api_version, subresource)
        excluded = self._excluded_set(reset_fields)
        merged, owners = self._merged(base, applied, api_version, owners, key, excluded, force, now)
        result: Object = objects.copy({**merged, "metadata": {**(merged.get("metadata") or {}), "managedFields": None}})
        if manager == lastapplied.MANAGER:
            lastapplied.update_annotation(result, applied)
        del result["metadata"]["managedFields"]
        if entries := write_entries(owners):
            result["metadata"]["managedFields"] = entries
        return result

    def _check_applied(self, applied: Object, api_version: str) -> None:
        if applied.get("apiVersion") != api_version or applied.get("kind") != self.kind:
            told = [v if isinstance(v := applied.get(key), str) else "" for key in ("apiVersion", "kind")]
            if told[0].count("/") > 1:
                told = ["", ""]
            raise bad_request(f"invalid object type: {_go_gvk(*told)}")
        meta = applied.get("metadata")
        meta = meta if isinstance(meta, dict) else {}
        if isinstance(meta.get("managedFields"), list):
            raise bad_request("metadata.managedFields must be nil")
        try:
            validate(applied, self._type(api_version))
        except TypedError as e:
            namespace, name = [v if isinstance(v := meta.get(k), str) else "" for k in ("namespace", "name")]
            described = f"{namespace}/{name}; {_go_gvk(api_version, self.kind)}"
            raise StatusError(500, "", f"failed to create typed patch object ({described}): {e}") from e

    def _merged(
        self,
        live: Object,
        applied: Object,
        api_version: str,
        owners: Owners,
        key: ManagerKey,
        excluded: FieldSet,
        force: bool,
        now: str,
    ) -> tuple[Object, Owners]:
        """The structured merge, its conflicts as a 409; times and stripped metadata of the applier's entry."""
        try:
            try:
                merged, owners = self._updater.apply(live, applied, api_version, owners, key, excluded, force)
            except Conflicts as conflicts:
                self._refuse(conflicts, live, api_version, key)
                merged, owners = self._updater.apply(live, applied, api_version, owners, key, excluded, True)
        except TypedError as e:
            raise StatusError(500, "", f"failed to merge config: {e}") from e
        own = owners[key]
        fields = difference(own.fields, STRIPPED)
        if fields:
            owners[key] = Owner(fields, api_version, own.time if merged is None else now)
        else:
            del owners[key]
        return (live if merged is None else merged), owners

    def _refuse(self, conflicts: Conflicts, live: Object, api_version: str, key: ManagerKey) -> None:
        """Raise the 409, unless client-side apply by kubectl had set all of it."""
        left: Conflicts | None = conflicts
        if key.manager == lastapplied.MANAGER:
            allowed = lastapplied.allowed_paths(live, api_version, self._type(api_version))
            if allowed is not None:
                left = lastapplied.not_allowed(conflicts, allowed)
        if left is not None:
            raise conflict_error(left) from conflicts

    # What is remembered

    def _type(self, api_version: str) -> Type:
        found = self._type_of.get(api_version)
        if found is None:
            try:
                found = self._types.of(self._schema_of(api_version))
            except KeyError as e:
                raise MissingVersion(api_version) from e
            self._type_of[api_version] = found
        return found

    def _to_version(self, obj: Object, api_version: str) -> Object:
        if obj.get("apiVersion", self.hub_api_version) == api_version:
            return obj
        if self._convert is None:
            raise MissingVersion(api_version)
        try:
            return self._convert(obj, api_version)
        except KeyError as e:
            raise MissingVersion(api_version) from e

    def _empty_object(self, api_version: str) -> Object:
        found = self._empty.get(api_version)
        if found is None:
            found = self._empty[api_version] = {
                **empty_object(self._schema_of(api_version)),
                "apiVersion": api_version,
                "kind": self.kind,
            }
        return found

    def _excluded_set(self, reset_fields: ResetFields) -> FieldSet:
        found = self._excluded.get(reset_fields)
        if found is None:
            found = of_paths([tuple(f"f:{name}" for name in path) for path in reset_fields])
            self._excluded[reset_fields] = found
        return found

    def _read(self, entries: Any) -> Owners:
        """Owners from entries, their sets in canonical form and as today's schema has them."""
        owners: Owners = {}
        for i, entry in enumerate(entries):
            check_entry(i, entry)  # before its version is looked for: what is wrong spoils all of them
            try:
                key, owner = read_entry(i, entry, self._fields(entry))
            except MissingVersion:
                continue
            owners[key] = owner
        return owners

    def _fields(self, entry: Entry) -> FieldSet:
        fields = entry.get("fieldsV1")
        api_version = entry.get("apiVersion") or ""
        memo = (api_version, orjson.dumps(fields))
        known = self._decoded.get(memo)
        if known is None:
            known = reconciled(decode_fields(fields), self._type(api_version)) if api_version else {}
            if len(self._decoded) >= MAX_REMEMBERED:
                self._decoded.clear()
            self._decoded[memo] = known
        return known


def _go_gvk(api_version: str, kind: str) -> str:
    try:
        group, version = GroupVersion.parse(api_version)
    except ValueError:
        group, version = "", ""
    return f"{group}/{version}, Kind={kind}"
