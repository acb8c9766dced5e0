"""A small world for tests of a Store: a kind with every seat, memory storage, virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import LoopClock, run_virtual
from apiserver.apimachinery.errors import FieldError, StatusError, required
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.registry.context import Context
from apiserver.registry.deleting import Deletion
from apiserver.registry.records import record_maker
from apiserver.registry.resource import Resource, ServedVersion, Subresource
from apiserver.registry.store import Store
from apiserver.registry.strategy import StatusStrategy, Strategy
from apiserver.storage.cacher.cachers import Cachers
from apiserver.storage.memory import MemoryStorage


class WidgetStrategy(Strategy):
    """A kind with a spec, a status, a generation and a rule."""

    has_status = True
    has_generation = True

    def validate(self, ctx: Context, obj: Object) -> Iterable[FieldError]:
        if not (obj.get("spec") or {}).get("size"):
            yield required("spec.size")

    def warnings_on_create(self, ctx: Context, obj: Object) -> Iterable[str]:
        if obj["spec"].get("old"):
            yield "spec.old is deprecated"


class GracefulStrategy(WidgetStrategy):
    """Objects that stay for a grace period, as pods do."""

    graceful = True
    return_deleted_object = True

    def check_graceful_delete(self, ctx: Context, obj: Object, options: dict[str, Any]) -> bool:
        if options.get("gracePeriodSeconds") is None:
            options["gracePeriodSeconds"] = 30
        return True


def widgets(strategy: Strategy | None = None, **changes: Any) -> Resource:
    strategy = strategy or WidgetStrategy()
    resource = Resource(
        group="test.example",
        plural="widgets",
        kind="Widget",
        versions=(ServedVersion("v1"),),
        storage_version="v1",
        strategy=strategy,
        storage_prefix="/registry/widgets",
        subresources=(Subresource(name="status", strategy=StatusStrategy(strategy)),),
    )
    return replace(resource, **changes)


@dataclass
class World:
    """A Store and what it stands on."""

    clock: LoopClock
    storage: MemoryStorage
    cachers: Cachers
    store: Store
    rand: Random = field(default_factory=lambda: Random(7))

    def context(self, **facts: Any) -> Context:
        return Context(**{"clock": self.clock, "rand": self.rand, "namespace": "default", **facts})

    async def create(self, name: str = "a", **more: Any) -> Object:
        """Create a widget; `meta` goes into its metadata, the rest beside it."""
        meta = {"name": name, **more.pop("meta", {})}
        obj = {"metadata": meta, "spec": {"size": 1}, **more}
        return self.store.object(await self.store.create(self.context(), obj))

    async def change(self, edit: Callable[[Object], Any], name: str = "a", **arguments: Any) -> Object:
        """Update by editing a copy of what is there."""
        facts = {key: arguments.pop(key) for key in ("dry_run",) if key in arguments}

        async def updater(old: Object | None) -> Object:
            assert old is not None
            obj: Object = objects.copy(old)
            edit(obj)
            return obj

        record, _ = await self.store.update(self.context(**facts), name, updater, **arguments)
        return self.store.object(record)

    async def put(self, obj: Object, **arguments: Any) -> tuple[Object, bool]:
        """Replace an object by `obj`, whatever is there."""

        async def updater(old: Object | None) -> Object:
            return objects.copy(obj)  # type: ignore[no-any-return]

        record, created = await self.store.update(self.context(), obj["metadata"]["name"], updater, **arguments)
        return self.store.object(record), created

    async def delete(self, name: str = "a", dry_run: bool = False, **options: Any) -> Deletion:
        return await self.store.deletion(self.context(dry_run=dry_run), name, options)

    async def stored(self, name: str = "a") -> bytes | None:
        item = (await self.storage.get(f"/registry/widgets/default/{name}")).item
        return None if item is None else item.value

    async def revision(self) -> int:
        return await self.storage.current_revision()


@asynccontextmanager
async def opened(resource: Resource | None = None) -> AsyncIterator[World]:
    clock = LoopClock(asyncio.get_running_loop())
    storage = MemoryStorage(clock)
    cachers = Cachers(storage, clock)
    resource = resource or widgets()
    cacher = cachers.cacher(resource.prefix, record_maker(resource))
    await cachers.start()
    try:
        yield World(clock, storage, cachers, Store(resource, storage, cacher))
    finally:
        await cachers.close()
        await storage.close()


def virtual(resource: Resource | None = None) -> Callable[[Callable[[World], Awaitable[None]]], Callable[[], None]]:
    """A test that gets a world of its own and runs in virtual time."""

    def decorate(test: Callable[[World], Awaitable[None]]) -> Callable[[], None]:
        async def main() -> None:
            async with opened(resource) as world:
                await test(world)

        def run() -> None:
            run_virtual(main())

        run.__name__ = test.__name__
        return run

    return decorate


async def refused(action: Awaitable[Any]) -> StatusError:
    """The StatusError that `action` must end with."""
    with pytest.raises(StatusError) as caught:
        await action
    return caught.value
