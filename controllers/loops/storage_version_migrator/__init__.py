"""StorageVersionMigrations: one of a resource at a time, its checkpoint, its patches. Three queues, as upstream."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from apiserver.apimachinery.objects import Object
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request
from controllers.framework.kinds import STORAGE_VERSION_MIGRATIONS
from controllers.framework.manager import Loop
from controllers.loops.storage_version_migrator import facts
from controllers.loops.storage_version_migrator.migration import NAME, Checkpoints, Patches
from controllers.loops.storage_version_migrator.runner import Runner

WORKERS = 5


def _resource(migration: Object) -> Iterable[Request]:
    yield facts.resource_of(migration)


class StorageVersionMigrator:
    name = NAME

    def __init__(self, context: Context) -> None:
        informer = context.informer(STORAGE_VERSION_MIGRATIONS)
        self._controllers = (
            Controller("migration-runner-controller", Runner(context)),
            Controller("resource-version-controller", Checkpoints(context)),
            Controller(NAME, Patches(context), workers=WORKERS),
        )
        runner, checkpoints, patches = self._controllers
        runner.watch(informer, _resource)
        checkpoints.watch(informer)
        patches.watch(informer)

    @property
    def idle(self) -> bool:
        return all(controller.idle for controller in self._controllers)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for controller in self._controllers:
                group.create_task(controller.run(), name=controller.name)


def build(context: Context) -> Loop:
    return StorageVersionMigrator(context)
