"""Writes of one resource: create, and update as a guaranteed loop of old → new → compare-and-swap.

Mirrors upstream registry/generic/registry/store.go and storage/etcd3/store.go (GuaranteedUpdate): the updater runs against
the cached record first, and again against storage when that was stale or the race was lost. What is equal by value is
not written.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import orjson

from apiserver.apimachinery import objects
from apiserver.apimachinery.errors import (
    OPTIMISTIC_LOCK,
    FieldError,
    StatusError,
    already_exists,
    conflict,
    generate_name_conflict,
    go_value,
    invalid,
    invalid_object,
    not_found,
)
from apiserver.apimachinery.gvk import GroupKind, GroupVersion
from apiserver.apimachinery.object_meta import object_meta_errors, object_meta_update_errors
from apiserver.apimachinery.objects import Object
from apiserver.registry import metadata
from apiserver.registry.context import Context
from apiserver.registry.resource import Checks, Hooks, Resource
from apiserver.registry.rest import RecordStorage, check_preconditions, path_segment_errors, storage_key, told_key
from apiserver.registry.strategy import Strategy
from apiserver.storage.cacher.record import Record
from apiserver.storage.interface import Conflict, KeyExists, KeyNotFound

MAX_NAME_TRIES = 8  # as upstream store.go: a million names per prefix collide 0.1 % of the time

T = TypeVar("T")
Validate = Callable[[Object], Awaitable[None]]
ValidateUpdate = Callable[[Object, Object], Awaitable[None]]
Updater = Callable[[Object | None], Awaitable[Object]]
Finish = Callable[[bool], Awaitable[None]]


class Current(NamedTuple):
    """What an attempt of an update starts from: the record (None: absent), and whether storage itself said so."""

    record: Record | None
    fresh: bool


Attempt = Callable[[Current], Awaitable[T]]


class Stale(Exception):
    """An attempt rested on a record that storage does not hold any more; `current` is what it holds."""

    def __init__(self, current: Record | None) -> None:
        super().__init__("stale record")
        self.current = current


class EmptiedFinalizers(Exception):
    """An update took the last finalizer from a terminating object: it is to be deleted, `obj` is the answer."""

    def __init__(self, obj: Object) -> None:
        super().__init__("emptied finalizers")
        self.obj = obj


async def _nothing(success: bool) -> None:
    return None


def parse_resource_version(meta: Mapping[str, Any]) -> int:
    """metadata.resourceVersion as a number, 0 when empty; upstream answers 500 with Go's words when it is none."""
    text = meta.get("resourceVersion")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()):
        raise StatusError(500, "", f"strconv.ParseUint: parsing {go_value(text)}: invalid syntax")
    digits = text.lstrip("0") or "0"
    if len(digits) > 20 or int(digits) >= 1 << 64:
        raise StatusError(500, "", f"strconv.ParseUint: parsing {go_value(text)}: value out of range")
    return int(digits)


class Writer:
    """Creates and updates the objects of one resource."""

    def __init__(
        self,
        resource: Resource,
        records: RecordStorage,
        cached: Callable[[str], Record | None],
        decode: Callable[[Record], Object],
    ) -> None:
        self.resource = resource
        self.records = records
        self.cached = cached
        self.decode = decode  # a record as a fresh object in the hub form: defaults applied, resourceVersion set
        self.hooks: Hooks | None = None
        self.checks: Checks | None = None
        self._built_in = resource.schemas is None
        # Errors name the stored kind: Events of events.k8s.io are the core group's.
        self.group_kind = GroupKind(GroupVersion.parse(resource.stored_api_version).group, resource.kind)

    def form(self, obj: Object) -> Object:
        """What is stored of an object: a new dict that shares the object's parts."""
        return metadata.stored_form(obj, self.resource.kind, self.resource.stored_api_version)

    def dry_record(self, obj: Object) -> Record:
        """A record of what would have been written: revision 0, and the resourceVersion the object brought along."""
        form = self.form(obj)
        if version := obj["metadata"].get("resourceVersion"):
            form["metadata"]["resourceVersion"] = version
        return self.records.dry(form)

    # Create

    async def create(self, ctx: Context, obj: Object, *, validate: Validate | None = None) -> Record:
        meta = objects.metadata(obj)
        if meta.get("name") or not meta.get("generateName"):
            return await self._create(ctx, obj, validate)
        pristine = orjson.dumps(obj)  # an attempt uses the object up
        for _ in range(MAX_NAME_TRIES - 1):
            try:
                return await self._create(ctx, obj, validate)
            except StatusError as e:
                if e.reason != "AlreadyExists":
                    raise
                obj = orjson.loads(pristine)
        return await self._create(ctx, obj, validate)

    async def _create(self, ctx: Context, obj: Object, validate: Validate | None) -> Record:
        meta = obj["metadata"]
        metadata.fill_system_fields(ctx, meta)
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = self.resource.strategy.generate_name(ctx, meta["generateName"])
        finish = await self.hooks.begin_create(ctx, obj) if self.hooks is not None else _nothing
        try:
            await self._check_new(ctx, obj, validate)
            record = await self._insert(ctx, obj)
        except BaseException:
            await finish(False)
            raise
        await finish(True)
        return record

    async def _check_new(self, ctx: Context, obj: Object, validate: Validate | None) -> None:
        """From a decoded object to one that may be stored."""
        strategy = self.resource.strategy
        meta = obj["metadata"]
        metadata.match_namespace(ctx.namespace if self.resource.namespaced else "", meta)
        strategy.prepare_for_create(ctx, obj)
        errors = strategy.metadata_errors(obj)
        if errors is None:
            standard = self._built_in and strategy.standard_finalizers
            namespaced, name_errors = self.resource.namespaced, strategy.name_errors
            errors = object_meta_errors(meta, namespaced, name_errors, standard_finalizers=standard)
        found = list(errors)
        found.extend(strategy.validate(ctx, obj))
        if not found:
            found.extend(object_meta_errors(meta, self.resource.namespaced, _path_segment))
        if self.checks is not None:
            found = await self.checks.of_new(ctx, obj, found)
        if found:
            # Upstream validates some things twice and tells each finding once.
            raise invalid_object(self.group_kind, meta.get("name") or "", dict.fromkeys(found))
        ctx.warnings.extend(strategy.warnings_on_create(ctx, obj))
        strategy.canonicalize(obj)
        if validate is not None:
            await validate(obj)

    async def _insert(self, ctx: Context, obj: Object) -> Record:
        meta = obj["metadata"]
        name = meta["name"]
        key = storage_key(self.resource, ctx, name)
        if ctx.dry_run:
            if (there := await self.records.get(key, "create")) is not None:
                raise self._exists(obj, there)
            return self.dry_record(obj)
        if (text := meta.get("resourceVersion")) and text != "0" and text.isdigit():
            raise StatusError(500, "", "resourceVersion should not be set on objects to be created")
        try:
            return await self.records.put(key, self.form(obj), 0, self._ttl(obj), "create")
        except KeyExists as e:
            raise self._exists(obj, await self.records.get(key, "create")) from e

    def _exists(self, obj: Object, there: Record | None) -> StatusError:
        """409, in the words for a name that was generated, or for one whose object is on its way out."""
        meta = obj["metadata"]
        build = generate_name_conflict if meta.get("generateName") else already_exists
        error = build(self.resource.group_resource, meta["name"])
        if there is not None and self.decode(there)["metadata"].get("deletionTimestamp"):
            error.message = f"object is being deleted: {error.message}"
        return error

    def _ttl(self, obj: Object) -> float | None:
        return self.resource.ttl(obj) if self.resource.ttl is not None else None

    # Update

    async def update(
        self,
        ctx: Context,
        name: str,
        updater: Updater,
        *,
        strategy: Strategy | None = None,
        preconditions: Object | None = None,
        validate: ValidateUpdate | None = None,
        validate_create: Validate | None = None,
        force_allow_create: bool = False,
    ) -> tuple[Record, bool]:
        """The record after the update, and whether it was created. Raises EmptiedFinalizers."""
        strategy = strategy or self.resource.strategy
        may_create = strategy.allow_create_on_update or force_allow_create
        key = storage_key(self.resource, ctx, name)

        async def attempt(current: Current) -> tuple[Record, bool]:
            record = current.record
            old = None if record is None else self.decode(record)
            if old is None and not may_create:
                raise not_found(self.resource.group_resource, name)
            check_preconditions(self.resource.group_resource, name, told_key(ctx, key), preconditions, old)
            obj = await updater(old)
            if old is None:
                return await self._create_on_update(ctx, key, obj, validate_create), True
            self._check_version(name, obj, old, strategy)
            hooks = self.hooks if strategy is self.resource.strategy else None
            finish = await hooks.begin_update(ctx, obj, old) if hooks is not None else _nothing
            try:
                await self._check_changed(ctx, obj, old, strategy, validate)
                if self._is_finished(obj, old, strategy):
                    raise EmptiedFinalizers(obj)
                result = await self.replace(ctx, current, old, obj)
            except BaseException:
                await finish(False)
                raise
            await finish(True)
            return result, False

        return await self.loop(ctx, key, attempt)

    async def loop(self, ctx: Context, key: str, attempt: Attempt[T], action: str = "update") -> T:
        """Run `attempt` until it wins: from the cached record, then from what storage says now.

        A refusal that was judged on a cached record is judged again when storage has another one.
        """
        cached = None if ctx.dry_run else self.cached(key)
        current = await self._read(key, action) if cached is None else Current(cached, False)
        while True:
            try:
                return await attempt(current)
            except Conflict as e:
                current = Current(self.records.record(e.current), True)
            except (KeyNotFound, KeyExists):
                current = await self._read(key, action)
            except Stale as e:
                current = Current(e.current, True)
            except (StatusError, EmptiedFinalizers):
                stored = await self._reread(key, action, current)
                if stored is None:
                    raise
                current = stored

    async def _read(self, key: str, action: str) -> Current:
        return Current(await self.records.get(key, action), True)

    async def _reread(self, key: str, action: str, current: Current) -> Current | None:
        """What storage has where `current` was only cached and is outdated; None where a refusal stands."""
        if current.fresh or current.record is None:
            return None
        stored = await self._read(key, action)
        same = stored.record is not None and stored.record.revision == current.record.revision
        return None if same else stored

    async def _create_on_update(self, ctx: Context, key: str, obj: Object, validate: Validate | None) -> Record:
        meta = objects.metadata(obj)
        metadata.wipe_system_fields(meta)
        metadata.fill_system_fields(ctx, meta)
        finish = await self.hooks.begin_create(ctx, obj) if self.hooks is not None else _nothing
        try:
            await self._check_new(ctx, obj, validate)
            if ctx.dry_run:
                record = self.dry_record(obj)
            else:
                record = await self.records.put(key, self.form(obj), 0, self._ttl(obj), "create")
        except BaseException:
            await finish(False)
            raise
        await finish(True)
        return record

    def _check_version(self, name: str, obj: Object, old: Object, strategy: Strategy) -> None:
        """The optimistic lock; an unconditional update takes the stored version for its own."""
        meta = objects.metadata(obj)
        version = parse_resource_version(meta)
        if version == 0 and strategy.allow_unconditional_update:
            meta["resourceVersion"] = old["metadata"]["resourceVersion"]
        elif version == 0:
            gr = self.resource.group_resource
            error = invalid("metadata.resourceVersion", 0, "must be specified for an update")
            raise invalid_object(GroupKind(gr.group, gr.resource), name, [error])
        elif str(version) != old["metadata"]["resourceVersion"]:
            raise conflict(self.resource.group_resource, name, OPTIMISTIC_LOCK)

    async def _check_changed(
        self, ctx: Context, obj: Object, old: Object, strategy: Strategy, validate: ValidateUpdate | None
    ) -> None:
        """From what the updater made to what may replace the old object (upstream rest.BeforeUpdate)."""
        meta, old_meta = obj["metadata"], old["metadata"]
        metadata.match_namespace(ctx.namespace if self.resource.namespaced else "", meta)
        metadata.keep_generation(meta, old_meta)
        strategy.prepare_for_update(ctx, obj, old)
        meta = obj["metadata"]
        metadata.keep_immutable(meta, old_meta)
        found: list[FieldError] = []
        if strategy.checks_metadata:
            found.extend(object_meta_errors(meta, self.resource.namespaced, _path_segment))
            found.extend(object_meta_update_errors(meta, old_meta))
        found.extend(strategy.validate_update(ctx, obj, old))
        if self.checks is not None:
            found = await self.checks.of_change(ctx, obj, old, found)
        if found:
            # Upstream validates metadata several times over and tells each finding once.
            raise invalid_object(self.group_kind, meta.get("name") or "", dict.fromkeys(found))
        ctx.warnings.extend(strategy.warnings_on_update(ctx, obj, old))
        strategy.canonicalize(obj)
        metadata.keep_managed_times(meta, old_meta, obj, old)
        if validate is not None:
            await validate(obj, old)

    def _is_finished(self, obj: Object, old: Object, strategy: Strategy) -> bool:
        """No finalizer is left on an object whose deletion was asked for and whose grace is over."""
        meta, old_meta = obj["metadata"], old["metadata"]
        if meta.get("finalizers") or not old_meta.get("deletionTimestamp"):
            return False
        return not old_meta.get("deletionGracePeriodSeconds") and strategy.deletes_on_update(obj, old)

    async def replace(self, ctx: Context, current: Current, old: Object, obj: Object, action: str = "update") -> Record:
        """Put `obj` in the place of the current record, whose object is `old`; equal values are not written."""
        record = current.record
        assert record is not None
        if ctx.dry_run:
            return self.dry_record(obj)
        if not record.stale and metadata.same_value(obj, old):
            return await self.confirm(current, action)
        return await self.records.put(record.key, self.form(obj), record.revision, self._ttl(obj), action)

    async def confirm(self, current: Current, action: str) -> Record:
        """An answer without a write must not rest on a cached record alone: storage has to hold this revision still."""
        record = current.record
        assert record is not None
        if current.fresh:
            return record
        stored = await self.records.get(record.key, action)
        if stored is None or stored.revision != record.revision:
            raise Stale(stored)
        return record


def _path_segment(name: str, prefix: bool) -> list[str]:
    return path_segment_errors(name)
