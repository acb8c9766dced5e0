"""Deletes of one resource: at once, after a grace period, or by finalizers; one object or many.

Mirrors upstream registry/rest/delete.go and registry/generic/registry/store.go (Delete, DeleteCollection).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import NamedTuple

from apiserver.apimachinery.clock import parse_rfc3339, rfc3339
from apiserver.apimachinery.errors import StatusError, conflict, internal_error, not_found
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object
from apiserver.registry.context import Context
from apiserver.registry.list_options import ListOptions
from apiserver.registry.reading import Listing
from apiserver.registry.rest import check_preconditions, invalid_object_conflict, storage_key, told_key
from apiserver.registry.writing import Current, Writer
from apiserver.storage.cacher.record import Record
from apiserver.storage.interface import Conflict, KeyNotFound

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"  # the garbage collector's finalizers

COLLECTION_PAGE = 10_000  # as upstream deleteCollectionPageSize

Validate = Callable[[Object], Awaitable[None]]
ListPage = Callable[[Context, ListOptions], Awaitable[Listing]]


def _lasting(seconds: int) -> float:
    """Seconds as a Go duration has them: nanoseconds in an int64, which turn over after 292 years."""
    return ((seconds * 10**9 + 2**63) % 2**64 - 2**63) / 10**9


class Deletion(NamedTuple):
    """What a delete did. `finalized`: the object is gone, or was on its way already (the answer may be a Status)."""

    record: Record
    gone: bool
    finalized: bool


class Deleter:
    """Deletes the objects of one resource."""

    def __init__(self, writer: Writer, list_page: ListPage) -> None:
        self._list = list_page
        self.resource = writer.resource
        self.writer = writer
        self.records = writer.records

    async def delete(self, ctx: Context, name: str, options: Object, *, validate: Validate | None = None) -> Deletion:
        """`options` are DeleteOptions; `gracePeriodSeconds` may be set in them."""
        ctx.warnings.extend(self.resource.strategy.warnings_on_delete(options))
        return await self._delete(ctx, name, options, validate)

    async def _delete(self, ctx: Context, name: str, options: Object, validate: Validate | None) -> Deletion:
        key = storage_key(self.resource, ctx, name)
        asked = dict(options.get("preconditions") or {})

        async def attempt(current: Current) -> Deletion:
            if current.record is None:
                raise not_found(self.resource.group_resource, name)
            return await self._attempt(ctx, key, name, options, asked, validate, current, current.record)

        return await self.writer.loop(ctx, key, attempt, "delete")

    async def _attempt(
        self,
        ctx: Context,
        key: str,
        name: str,
        options: Object,
        preconditions: Object,
        validate: Validate | None,
        current: Current,
        record: Record,
    ) -> Deletion:
        old, obj = self.writer.decode(record), self.writer.decode(record)
        meta = obj["metadata"]
        chosen = dict(options)  # strategies write their defaults there; another attempt starts from what was asked
        self.resource.strategy.check_delete(ctx, obj)
        self._check_asked(name, preconditions, meta)
        terminating = bool(meta.get("deletionTimestamp"))
        if self.resource.strategy.terminate(ctx, obj, chosen):
            await _admit(validate, old)
            return Deletion(await self.writer.replace(ctx, current, old, obj, "delete"), False, False)
        graceful, pending = self._begin(ctx, obj, chosen)
        if pending:
            return Deletion(await self.writer.confirm(current, "delete"), False, True)
        await _admit(validate, old)
        if self.resource.strategy.default_gc_policy != "unsupported":
            finalizers = deletion_finalizers(
                meta.get("finalizers") or [], chosen, self.resource.strategy.default_gc_policy
            )
            meta["finalizers"] = finalizers
        if meta.get("finalizers") and not graceful:
            self._mark(ctx, meta, terminating)
        if not graceful and not meta.get("finalizers"):
            return await self._remove(ctx, record, old)
        updated = await self.writer.replace(ctx, current, old, obj, "delete")
        if meta.get("finalizers") or chosen["gracePeriodSeconds"] > 0:
            return Deletion(updated, False, False)
        if ctx.dry_run:
            return Deletion(updated, True, False)
        return await self._remove_granted(ctx, updated, obj)

    def _check_asked(self, name: str, preconditions: Object, meta: Object) -> None:
        """Preconditions of the request, in the words of upstream's early check (namespaces have words of their own)."""
        if self.resource.plural == "namespaces" and not self.resource.group:
            for field, label in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
                if (wanted := preconditions.get(field)) is not None and wanted != (found := meta.get(field) or ""):
                    why = f"Precondition failed: {label} in precondition: {wanted}, {label} in object meta: {found}"
                    raise conflict(self.resource.group_resource, name, why)
        group_kind = GroupResource(*self.writer.group_kind)
        wanted, found = preconditions.get("uid"), meta.get("uid") or ""
        if wanted is not None and wanted != found:
            raise conflict(
                group_kind,
                name,
                f"the UID in the precondition ({wanted}) does not match the UID in record ({found}). "
                "The object might have been deleted and then recreated",
            )
        wanted, found = preconditions.get("resourceVersion"), meta.get("resourceVersion") or ""
        if wanted is not None and wanted != found:
            raise conflict(
                group_kind,
                name,
                f"the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record "
                f"({found}). The object might have been modified",
            )

    def _begin(self, ctx: Context, obj: Object, options: Object) -> tuple[bool, bool]:
        """Grace (upstream rest.BeforeDelete): (the object stays for its grace, a deletion that stands is not changed)."""
        meta = obj["metadata"]
        if (options.get("gracePeriodSeconds") or 0) < 0:
            options["gracePeriodSeconds"] = 1  # negative means one second
        if (meta.get("deletionGracePeriodSeconds") or 0) < 0:
            meta["deletionGracePeriodSeconds"] = 1
        if not self.resource.strategy.graceful:
            return False, False
        if meta.get("deletionTimestamp"):
            return self._shorten(ctx, meta, options)
        if not self.resource.strategy.check_graceful_delete(ctx, obj, options):
            return False, False
        period = options.get("gracePeriodSeconds")
        if period is None:
            raise internal_error("options.GracePeriodSeconds should not be nil")
        meta["deletionTimestamp"] = rfc3339(ctx.clock.now() + _lasting(period))
        meta["deletionGracePeriodSeconds"] = period
        if meta.get("generation"):
            meta["generation"] += 1
        return True, False

    def _shorten(self, ctx: Context, meta: Object, options: Object) -> tuple[bool, bool]:
        """A second delete may shorten the grace of the first one, never extend it."""
        granted = meta.get("deletionGracePeriodSeconds")
        if not granted:
            return False, False
        period = options.get("gracePeriodSeconds")
        if period is None or period >= granted:
            options["gracePeriodSeconds"] = granted if period is None else period
            return False, True
        now = ctx.clock.now()
        deadline = parse_rfc3339(meta["deletionTimestamp"]) - _lasting(granted) + _lasting(period)
        if deadline < now:
            deadline = now
            period = 1 if period else 0
        meta["deletionTimestamp"] = rfc3339(deadline)
        meta["deletionGracePeriodSeconds"] = period
        return True, False

    def _mark(self, ctx: Context, meta: Object, terminating: bool) -> None:
        """The object waits for its finalizers (upstream markAsDeleting)."""
        if not terminating and meta.get("generation"):
            meta["generation"] += 1
        now = ctx.clock.now()
        if not terminating or parse_rfc3339(meta["deletionTimestamp"]) > now:
            meta["deletionTimestamp"] = rfc3339(now)
        meta["deletionGracePeriodSeconds"] = 0

    async def _remove(self, ctx: Context, record: Record, obj: Object) -> Deletion:
        """Take the object out of storage as it stands there."""
        if ctx.dry_run:
            removed = self.writer.dry_record(obj)
        else:
            removed = await self.records.delete(record, "delete")
        await self._after(ctx, obj)
        return Deletion(removed, True, True)

    async def _remove_granted(self, ctx: Context, record: Record, obj: Object) -> Deletion:
        """Take out an object whose grace was set to nothing a moment ago; another's delete in between is as good."""
        try:
            return await self._remove(ctx, record, obj)
        except KeyNotFound:
            await self._after(ctx, obj)
            return Deletion(record, True, True)

    async def delete_unreadable(self, ctx: Context, name: str) -> None:
        """Remove an object that cannot be read; refused for one that can (upstream corrupt_obj_deleter.go).

        No precondition, finalizer, admission or hook is asked: there is no object to ask about.
        """
        key = storage_key(self.resource, ctx, name)
        revision = await self.records.unreadable_revision(key, "delete")
        if revision is None:
            raise not_found(self.resource.group_resource, name)
        if revision == 0:
            why = "unsafe deletion is not allowed because the object is decodable from storage"
            raise invalid_object_conflict(self.resource.group_resource, name, key, why)
        if not ctx.dry_run:
            await self.records.delete_unreadable(key, revision, "delete")

    async def delete_collection(
        self, ctx: Context, options: Object, list_options: ListOptions, *, validate: Validate | None = None
    ) -> Listing:
        """Delete what the list options select and answer with it, as it was. Not atomic; what is gone already is fine."""
        ctx.warnings.extend(self.resource.strategy.warnings_on_delete(options))
        limited = list_options.limit > 0
        page = await self._list(ctx, replace(list_options, limit=list_options.limit or COLLECTION_PAGE))
        first, records = page, list(page.records)
        while True:
            for record in page.records:
                await self._delete_one(ctx, record, options, validate)
            if limited or not page.continue_token:
                break
            page = await self._list(ctx, _next_page(list_options, page.continue_token))
            records += page.records
        return first if limited else first._replace(records=records)

    async def _delete_one(self, ctx: Context, record: Record, options: Object, validate: Validate | None) -> None:
        try:
            await self._delete(ctx, record.name, options, validate)
        except StatusError as e:
            if e.reason != "NotFound":
                raise

    async def delete_finished(self, ctx: Context, name: str, obj: Object, preconditions: Object | None) -> Record:
        """Delete what an update took the last finalizer from; the answer is the updated object.

        Upstream deleteWithoutFinalizers: whatever else was written meanwhile, the object goes.
        """
        key = storage_key(self.resource, ctx, name)
        record = await self.records.get(key, "delete")
        while record is not None:
            old = self.writer.decode(record)
            check_preconditions(self.resource.group_resource, name, told_key(ctx, key), preconditions, old)
            if ctx.dry_run:
                break
            try:
                await self.records.delete(record, "delete")
                break
            except Conflict as e:
                record = self.records.record(e.current)
            except KeyNotFound:
                break
        await self._after(ctx, obj)
        return self.writer.dry_record(obj)

    async def _after(self, ctx: Context, obj: Object) -> None:
        if self.writer.hooks is not None:
            await self.writer.hooks.after_delete(ctx, obj)


def _next_page(options: ListOptions, continue_token: str) -> ListOptions:
    return replace(options, limit=COLLECTION_PAGE, continue_token=continue_token, resource_version="", match="")


async def _admit(validate: Validate | None, old: Object) -> None:
    if validate is not None:
        await validate(old)


def deletion_finalizers(finalizers: list[str], options: Object, default_policy: str) -> list[str]:
    """The finalizers after a delete: the garbage collector's two follow the options, then what is set, then the kind.

    Upstream deletionFinalizersForGarbageCollection.
    """
    wanted = _collector_finalizer(finalizers, options, default_policy)
    kept = [f for f in finalizers if f not in (ORPHAN, FOREGROUND)]
    if wanted:
        kept.append(wanted)
    return finalizers if set(kept) == set(finalizers) else kept


def _collector_finalizer(finalizers: list[str], options: Object, default_policy: str) -> str:
    if (orphan := options.get("orphanDependents")) is not None:
        return ORPHAN if orphan else ""
    policy = options.get("propagationPolicy")
    if policy is not None:
        return {"Orphan": ORPHAN, "Foreground": FOREGROUND}.get(policy, "")
    for finalizer in finalizers:
        if finalizer in (ORPHAN, FOREGROUND):
            return finalizer
    return ORPHAN if default_policy == "orphan" else ""
