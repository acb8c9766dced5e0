"""Store: Kubernetes semantics for one resource over a Storage (upstream registry/generic/registry/store.go).

It composes what reads (`reading.py`, `watching.py`), writes (`writing.py`) and deletes (`deleting.py`), serves every
version of its resource, and speaks in Records; errors leave it as StatusErrors.
"""

from __future__ import annotations

import orjson

from apiserver.apimachinery.objects import Object
from apiserver.registry.context import Context
from apiserver.registry.deleting import Deleter, Deletion
from apiserver.registry.list_options import ListOptions
from apiserver.registry.reading import Listing, Reader
from apiserver.registry.records import EntriesMemo, RecordMaker
from apiserver.registry.rendition import Form, Renditions
from apiserver.registry.resource import Checks, Hooks, Resource
from apiserver.registry.rest import RecordStorage
from apiserver.registry.strategy import Strategy
from apiserver.registry.table import Tables
from apiserver.registry.watch_frames import EventWriter
from apiserver.registry.watching import Watches, Watching
from apiserver.registry.writing import EmptiedFinalizers, Updater, Validate, ValidateUpdate, Writer
from apiserver.storage.cacher.cacher import Cacher
from apiserver.storage.cacher.record import Record
from apiserver.storage.interface import Storage


class Store:
    """Serves one resource."""

    def __init__(self, resource: Resource, storage: Storage, cacher: Cacher) -> None:
        self.resource = resource
        self.cacher = cacher
        self._entries = EntriesMemo()
        self.reader = Reader(resource, cacher)
        self.renditions = Renditions(resource)
        self.tables = Tables(resource, self.renditions)
        self.watches = Watches(resource, cacher, self.reader, EventWriter(self.renditions, self.tables, cacher.clock))
        # The cacher's own, where it is one: the event of a write finds its record made already.
        maker = cacher.make_record if isinstance(cacher.make_record, RecordMaker) else RecordMaker(resource)
        self._writer = Writer(resource, RecordStorage(resource, storage, maker), cacher.get, self.object)
        self._deleter = Deleter(self._writer, self.list)

    def set_hooks(self, hooks: Hooks | None) -> None:
        """I/O around writes; set once, right after the Store was made, since hooks may need the Store."""
        self._writer.hooks = hooks

    def set_checks(self, checks: Checks | None) -> None:
        """What of validation asks others; set once, as hooks are."""
        self._writer.checks = checks

    def object(self, record: Record) -> Object:
        """A fresh dict of the record, in the storage version, with its resourceVersion and defaults.

        The entries of managedFields are shared between objects and never changed in place (see `apimachinery/apply`).
        """
        obj: Object = orjson.loads(b"".join((record.start, record.head, record.tail)))
        if record.managed:
            obj["metadata"]["managedFields"] = list(self._entries(record.managed))
        return obj

    async def get(self, ctx: Context, name: str, *, resource_version: str = "") -> Record:
        """One record: as new as storage, or at least as new as `resource_version`; 404, 504 as upstream."""
        return await self.reader.get(ctx, name, resource_version=resource_version)

    async def list(self, ctx: Context, options: ListOptions) -> Listing:
        """One page, or everything, of what the options select in ctx.namespace."""
        return await self.reader.list(ctx, options)

    async def watch(self, ctx: Context, options: ListOptions, form: Form, *, min_timeout: float = 1800.0) -> Watching:
        """A watch of what the options select in ctx.namespace; it begins when it is `run`."""
        return await self.watches.open(ctx, options, form, min_timeout=min_timeout)

    def close(self) -> None:
        """The resource is served no more: its watches end."""
        self.watches.close()

    async def create(self, ctx: Context, obj: Object, *, validate: Validate | None = None) -> Record:
        """Store a new object, given in the storage version; `validate` is validating admission."""
        return await self._writer.create(ctx, obj, validate=validate)

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
        """Replace an object by what `updater(old)` makes of it; the record, and whether it was created.

        The updater may run more than once; `old` is its own, but what it returns may share nothing it will need again.
        """
        try:
            return await self._writer.update(
                ctx,
                name,
                updater,
                strategy=strategy,
                preconditions=preconditions,
                validate=validate,
                validate_create=validate_create,
                force_allow_create=force_allow_create,
            )
        except EmptiedFinalizers as e:
            return await self._deleter.delete_finished(ctx, name, e.obj, preconditions), False

    async def delete(
        self, ctx: Context, name: str, options: Object, *, validate: Validate | None = None
    ) -> tuple[Record, bool]:
        """Delete one object by DeleteOptions; the record, and whether it is gone at once."""
        deletion = await self._deleter.delete(ctx, name, options, validate=validate)
        return deletion.record, deletion.gone

    async def deletion(self, ctx: Context, name: str, options: Object, *, validate: Validate | None = None) -> Deletion:
        """As `delete`, with what the answer over HTTP has to know."""
        return await self._deleter.delete(ctx, name, options, validate=validate)

    async def delete_unreadable(self, ctx: Context, name: str) -> None:
        """Remove an object whose stored bytes cannot be read; refused for any other."""
        await self._deleter.delete_unreadable(ctx, name)

    async def delete_collection(
        self, ctx: Context, options: Object, list_options: ListOptions, *, validate: Validate | None = None
    ) -> Listing:
        """Delete all that the list options select; what was selected, as it was before."""
        return await self._deleter.delete_collection(ctx, options, list_options, validate=validate)
