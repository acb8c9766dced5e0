"""Where storage's vocabulary becomes the API's: records by key, and StatusErrors instead of storage errors.

Mirrors upstream registry/generic/registry/store.go (keys) and storage/errors/storage.go (translation).
`Conflict`, `KeyNotFound` and `KeyExists` pass through where the caller's loop lives on them; all else leaves translated.
"""

from __future__ import annotations

import orjson

from apiserver.apimachinery.errors import (
    StatusError,
    bad_request,
    conflict,
    go_value,
    internal_error,
    server_timeout,
)
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object
from apiserver.registry.context import Context
from apiserver.registry.records import RecordMaker
from apiserver.registry.resource import STORAGE_ROOT, Resource
from apiserver.storage.cacher.record import Record
from apiserver.storage.interface import KeyValue, Storage, StorageError, Unavailable

UNREACHABLE_RETRY = 2  # seconds, as upstream storage/errors/storage.go


def path_segment_errors(name: str) -> list[str]:
    """Why `name` cannot stand in a URL path (upstream api/validate/content/path.go)."""
    if name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{part}'" for part in ("/", "%") if part in name]


def storage_key(resource: Resource, ctx: Context, name: str) -> str:
    """The key of one object; raises the 400s upstream gives for a name or namespace that makes none."""
    if resource.namespaced and not ctx.namespace:
        raise bad_request("Namespace parameter required.")
    if not name:
        raise bad_request("Name parameter required.")
    if ("/" in name or "%" in name or name[0] == ".") and (found := path_segment_errors(name)):
        raise bad_request(f"Name parameter invalid: {go_value(name)}: {';'.join(found)}")
    return resource.key(ctx.namespace, name)


def told_key(ctx: Context, key: str) -> str:
    """How errors call a key: a dry run ends above the storage that adds the prefix (upstream registry/dryrun.go)."""
    return key.removeprefix(STORAGE_ROOT) if ctx.dry_run else key


def translate(error: StorageError, group_resource: GroupResource, action: str) -> StatusError:
    """A storage error that no loop handles, as clients are told of it."""
    if isinstance(error, Unavailable):
        return server_timeout(group_resource, action, UNREACHABLE_RETRY)
    return internal_error(str(error))


def invalid_object_conflict(group_resource: GroupResource, name: str, key: str, why: str) -> StatusError:
    """409 for a precondition that storage found broken (upstream storage.NewInvalidObjError)."""
    error = f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: {why}"
    return conflict(group_resource, name, error)


def check_preconditions(
    group_resource: GroupResource, name: str, key: str, preconditions: Object | None, obj: Object | None
) -> None:
    """Compare `uid` and `resourceVersion` with the stored object's (upstream storage.Preconditions.Check)."""
    if not preconditions:
        return
    meta = obj["metadata"] if obj else {}
    for field, label in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        wanted = preconditions.get(field)
        found = meta.get(field) or ""
        if wanted is not None and wanted != found:
            why = f"Precondition failed: {label} in precondition: {wanted}, {label} in object meta: {found}"
            raise invalid_object_conflict(group_resource, name, key, why)


class RecordStorage:
    """One resource's records in a Storage, written and read by key."""

    def __init__(self, resource: Resource, storage: Storage, maker: RecordMaker) -> None:
        self.group_resource = resource.group_resource
        self._storage = storage
        self._maker = maker

    async def get(self, key: str, action: str) -> Record | None:
        """The record as it stands in storage now."""
        try:
            item = (await self._storage.get(key)).item
        except StorageError as e:
            raise translate(e, self.group_resource, action) from e
        return None if item is None else self.record(item)

    async def put(self, key: str, form: Object, expected: int, ttl: float | None, action: str) -> Record:
        """Write a stored form and return its record. KeyExists, KeyNotFound and Conflict pass through."""
        value = orjson.dumps(form)
        self._maker.expect(key, value, form)
        try:
            revision = await self._storage.put(key, value, expected=expected, ttl=ttl)
        except Unavailable as e:
            raise translate(e, self.group_resource, action) from e
        finally:
            self._maker.forget(key, value)
        return self._maker.written(KeyValue(key, value, revision), form)

    def dry(self, form: Object) -> Record:
        """The record of a stored form that is not written."""
        return self._maker.dry(form)

    async def delete(self, record: Record, action: str) -> Record:
        """Remove what `record` is and return it as of the deletion's revision. KeyNotFound, Conflict pass through."""
        try:
            revision = await self._storage.delete(record.key, expected=record.revision)
        except Unavailable as e:
            raise translate(e, self.group_resource, action) from e
        return record.at(revision)

    async def unreadable_revision(self, key: str, action: str) -> int | None:
        """The revision of what cannot be read at `key`; 0 when it can be read, None when nothing is there."""
        try:
            item = (await self._storage.get(key)).item
        except StorageError as e:
            raise translate(e, self.group_resource, action) from e
        if item is None:
            return None
        try:
            self._maker(item)
        except ValueError:
            return item.revision
        return 0

    async def delete_unreadable(self, key: str, revision: int, action: str) -> None:
        try:
            await self._storage.delete(key, expected=revision)
        except StorageError as e:
            raise translate(e, self.group_resource, action) from e

    def record(self, item: KeyValue) -> Record:
        """The record of what stands in storage; 500 for what cannot be read."""
        try:
            return self._maker(item)
        except ValueError as e:
            raise internal_error(f"unable to decode {item.key}: {e}") from e
