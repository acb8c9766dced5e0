"""StorageVersionMigrations: one of a resource at a time, its checkpoint, its patches. Three queues, as upstream."""

from __future__ import annotations

from collections.abc import Iterable

from apiserver.apimachinery.objects import Object
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request
from controllers.framework.kinds import STORAGE_VERSION_MIGRATIONS
from controllers.framework.manager import Loop
from controllers.framework.together import Together
from controllers.loops.storage_version_migrator import facts
from controllers.loops.storage_version_migrator.migration import NAME, Checkpoints, Patches
from controllers.loops.storage_version_migrator.runner import Runner

WORKERS = 5


def _resource(migration: Object) -> Iterable[Request]:
    yield facts.resource_of(migration)


def build(context: Context) -> Loop:
    informer = context.informer(STORAGE_VERSION_MIGRATIONS)
    runner = Controller("migration-runner-controller", Runner(context))
    checkpoints = Controller("resource-version-controller", Checkpoints(context))
    patches = Controller(NAME, Patches(context), workers=WORKERS)
    runner.watch(informer, _resource)
    checkpoints.watch(informer)
    patches.watch(informer)
    return Together(NAME, runner, checkpoints, patches)
