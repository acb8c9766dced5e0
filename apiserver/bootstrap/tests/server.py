"""What bootstrap sees of an API server, in virtual time: storage, stores and hooks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from apiserver.api import resources
from apiserver.apimachinery.clock import LoopClock, run_virtual
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.bootstrap import BootstrapContext, Settings, run, stop
from apiserver.registry.records import record_maker
from apiserver.registry.resource import Resource, ServedVersion
from apiserver.registry.store import Store
from apiserver.registry.strategy import Strategy
from apiserver.storage.cacher.cachers import Cachers
from apiserver.storage.interface import Storage
from apiserver.storage.memory import MemoryStorage

# Services without their allocators: bootstrap only says what it wants.
PLAIN_SERVICE = Resource(
    group="",
    plural="services",
    kind="Service",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=Strategy(),
    storage_prefix="/registry/services/specs",
)


class Server:
    """Enter it to start the hooks; leave it to stop in good order."""

    def __init__(self, storage: Storage, clock: LoopClock, seed: int = 1, **settings: Any) -> None:
        self.clock = clock
        self.cachers = Cachers(storage, clock)
        stored = [r for r in resources() if r.rest is None and r.plural != "services"] + [PLAIN_SERVICE]
        self._stores = {
            r.group_resource: Store(r, storage, self.cachers.cacher(r.prefix, record_maker(r))) for r in stored
        }
        self.tasks = TaskOwner("test")
        self.is_ready = True
        given = {"advertise_address": "10.1.2.3", "port": 6443, "hostname": "host", **settings}
        self.context = BootstrapContext.make(
            clock=clock,
            rand=Random(seed),
            storage=storage,
            store=self.store,
            tasks=self.tasks,
            settings=Settings(**given),
            ready=self._ready,
        )
        self.done: list[str] = []

    async def _ready(self) -> bool:
        return self.is_ready

    def store(self, resource: GroupResource) -> Store:
        return self._stores[resource]

    async def __aenter__(self) -> Server:
        await self.cachers.start()
        await run(self.context, self.done.append)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.tasks.close()
        await stop(self.context)
        await self.cachers.close()

    def get(self, group: str, resource: str, namespace: str, name: str) -> Object | None:
        return self.context.objects.get(GroupResource(group, resource), namespace, name)


def virtual(main: Callable[[Storage, LoopClock], Awaitable[None]]) -> None:
    async def world() -> None:
        clock = LoopClock(asyncio.get_running_loop())
        storage = MemoryStorage(clock)
        await main(storage, clock)
        await storage.close()

    run_virtual(world())
