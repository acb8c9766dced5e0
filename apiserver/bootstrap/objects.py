"""The server as a client of its own Stores: reads from memory, writes with managedFields, without HTTP in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from apiserver.apimachinery import objects
from apiserver.apimachinery.apply.manager import FieldManager
from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.errors import StatusError, not_found
from apiserver.apimachinery.gvk import GroupResource, GroupVersion
from apiserver.apimachinery.objects import Object, name_of, namespace_of
from apiserver.apimachinery.rand import Random
from apiserver.apimachinery.schema import Schema
from apiserver.apimachinery.schemas import builtin
from apiserver.registry.context import Context
from apiserver.registry.resource import Resource
from apiserver.registry.store import Store
from apiserver.registry.strategy import Strategy

MANAGER = "kube-apiserver"


@dataclass
class Objects:
    """Reads and writes of the server itself."""

    clock: Clock
    rand: Random
    store: Callable[[GroupResource], Store]  # raises KeyError for what is not served
    manager: str = MANAGER  # in managedFields
    _managers: dict[GroupResource, FieldManager] = field(default_factory=dict)

    def serves(self, resource: GroupResource) -> bool:
        try:
            self.store(resource)
        except KeyError:
            return False
        return True

    def get(self, resource: GroupResource, namespace: str, name: str) -> Object | None:
        """A fresh object, as memory has it."""
        store = self.store(resource)
        record = store.cacher.get(store.resource.key(namespace, name))
        return None if record is None else store.object(record)

    def list(self, resource: GroupResource, namespace: str) -> list[Object]:
        store = self.store(resource)
        prefix = f"{store.resource.prefix}/{namespace}/" if namespace else f"{store.resource.prefix}/"
        return [store.object(record) for record in store.cacher.snapshot().range(prefix)]

    async def create(self, resource: GroupResource, obj: Object) -> Object:
        """Create; raises what a client would be told. `obj` is changed."""
        store = self.store(resource)
        self._own(store.resource, None, obj)
        return store.object(await store.create(self._context(namespace_of(obj), "create"), obj))

    async def ensure(self, resource: GroupResource, obj: Object) -> None:
        """Create what is not there; one who was faster is welcome."""
        if self.get(resource, namespace_of(obj), name_of(obj)) is not None:
            return
        try:
            await self.create(resource, obj)
        except StatusError as e:
            if e.reason != "AlreadyExists":
                raise

    async def update(
        self,
        resource: GroupResource,
        namespace: str,
        name: str,
        change: Callable[[Object], Object | None],
        subresource: str = "",
    ) -> Object:
        """Replace the object by `change(copy of it)`; None, or an equal object, changes nothing."""
        store = self.store(resource)
        part = store.resource.subresource(subresource)
        strategy = part.strategy if part is not None and part.strategy is not None else store.resource.strategy

        async def updater(old: Object | None) -> Object:
            if old is None:  # a kind that PUT may create
                raise not_found(resource, name)
            new = change(objects.copy(old))
            if new is None:
                return objects.copy(old)  # type: ignore[no-any-return]
            self._own(store.resource, old, new, strategy, subresource)
            return new

        ctx = self._context(namespace, "update")
        ctx.subresource = subresource
        record, _ = await store.update(ctx, name, updater, strategy=strategy)
        return store.object(record)

    async def apply_status(
        self, resource: GroupResource, applied: Object, manager: str, complete: Callable[[Object], None]
    ) -> None:
        """Server-side apply, with force, to the status of a cluster-scoped object.

        `complete` adds what Go's decoder of the result would: the zeros that are written out.
        """
        store = self.store(resource)
        status = store.resource.subresource("status")
        assert status is not None
        fields = self.field_manager(store.resource)

        async def updater(old: Object | None) -> Object:
            assert old is not None
            new = fields.on_apply(
                old,
                applied,
                api_version=applied["apiVersion"],
                manager=manager,
                force=True,
                subresource="status",
                now=self._context("", "").timestamp(),
            )
            complete(new)
            return new

        ctx = self._context("", "update")
        ctx.subresource = "status"
        await store.update(ctx, name_of(applied), updater, strategy=status.strategy)

    async def delete(self, resource: GroupResource, namespace: str, name: str) -> None:
        """Delete; what is gone already is fine."""
        try:
            await self.store(resource).delete(self._context(namespace, "delete"), name, {})
        except StatusError as e:
            if e.reason != "NotFound":
                raise

    def _context(self, namespace: str, verb: str) -> Context:
        return Context(self.clock, self.rand, namespace=namespace, verb=verb, field_manager=self.manager)

    def _own(
        self,
        resource: Resource,
        old: Object | None,
        obj: Object,
        strategy: Strategy | None = None,
        subresource: str = "",
    ) -> None:
        """What a client's write goes through before the Store: defaults, then ownership."""
        strategy = strategy or resource.strategy
        resource.strategy.default(obj)
        self.field_manager(resource).on_update(
            old,
            obj,
            api_version=str(GroupVersion(resource.group, resource.storage_version)),
            manager=self.manager,
            subresource=subresource,
            now=self._context("", "").timestamp(),
            reset_fields=strategy.reset_fields(resource.storage_version),
        )

    def field_manager(self, resource: Resource) -> FieldManager:
        key = resource.group_resource
        if key not in self._managers:
            self._managers[key] = FieldManager(resource.kind, resource.stored_api_version, _schema_of(resource))
        return self._managers[key]


def _schema_of(resource: Resource) -> Callable[[str], Schema]:
    return lambda api_version: builtin().schema(GroupVersion.parse(api_version).with_kind(resource.kind))
