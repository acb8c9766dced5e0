"""Informers: a reflector's copy with indexes and handlers, shared by everyone in a process who reads the same thing.

Handlers run at once, in the order of events, and must not block: they put keys into work queues. What they are given is
shared. With `detect_mutations` every object is checked on each change against a private copy: a writer is named at once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from apiserver.apimachinery import objects
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.client.lister import Indexer, IndexFunction, Key, Lister, key_of
from apiserver.client.reflector import Reflector
from apiserver.client.resources import Client


@dataclass(frozen=True)
class Handler:
    """What to call on changes; None: not interested."""

    added: Callable[[Object], None] | None = None
    updated: Callable[[Object, Object], None] | None = None
    deleted: Callable[[Object], None] | None = None


class MutationDetected(AssertionError):
    """Somebody changed an object that belongs to the informer."""


class Informer:
    """One resource (or a selection of it), kept up to date. It is a reflector's Sink."""

    def __init__(self, *, detect_mutations: bool = False) -> None:
        self.indexer = Indexer()
        self.lister = Lister(self.indexer)
        self.reflector: Reflector | None = None
        self._handlers: list[Handler] = []
        self._synced = asyncio.Event()
        self._pristine: dict[Key, Object] | None = {} if detect_mutations else None

    @property
    def has_synced(self) -> bool:
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        await self._synced.wait()

    def add_index(self, name: str, function: IndexFunction) -> None:
        self.indexer.add_index(name, function)

    def add_handler(self, handler: Handler) -> None:
        """Hand over what is known as additions, then everything to come."""
        self._handlers.append(handler)
        if handler.added is not None:
            for obj in self.indexer:
                handler.added(obj)

    def check_mutations(self) -> None:
        """Raise MutationDetected if a shared object is not what the server sent."""
        for key, pristine in (self._pristine or {}).items():
            if self.indexer.get(key) != pristine:
                raise MutationDetected(f"{key}: an object of an informer was changed in place")

    def replace(self, objects_now: list[Object]) -> None:
        present = {key_of(obj) for obj in objects_now}
        for key in self.indexer.all_keys():
            if key not in present:
                self._remove(key)
        for obj in objects_now:
            self.changed(obj)
        self._synced.set()

    def changed(self, obj: Object) -> None:
        self._check(key_of(obj))
        old = self.indexer.put(obj)
        if self._pristine is not None:
            self._pristine[key_of(obj)] = objects.copy(obj)
        for handler in self._handlers:
            if old is None and handler.added is not None:
                handler.added(obj)
            elif old is not None and handler.updated is not None:
                handler.updated(old, obj)

    def deleted(self, obj: Object) -> None:
        key = key_of(obj)
        self._check(key)
        self.indexer.remove(key)
        if self._pristine is not None:
            self._pristine.pop(key, None)
        self._tell_deleted(obj)

    def _remove(self, key: Key) -> None:
        self._check(key)
        old = self.indexer.remove(key)
        if self._pristine is not None:
            self._pristine.pop(key, None)
        if old is not None:
            self._tell_deleted(old)

    def _tell_deleted(self, obj: Object) -> None:
        for handler in self._handlers:
            if handler.deleted is not None:
                handler.deleted(obj)

    def _check(self, key: Key) -> None:
        if self._pristine is not None and key in self._pristine and self.indexer.get(key) != self._pristine[key]:
            raise MutationDetected(f"{key}: an object of an informer was changed in place")


class Selection(NamedTuple):
    """What an informer holds."""

    resource: GroupVersionResource
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""
    metadata_only: bool = False


class Informers:
    """The informers of one process, by selection: asked twice, shared. `start` runs what was asked for so far."""

    def __init__(self, client: Client, rand: random.Random, *, detect_mutations: bool = False) -> None:
        self._client = client
        self._rand = rand
        self._detect = detect_mutations
        self._informers: dict[Selection, Informer] = {}
        self._running: dict[Selection, asyncio.Task[None]] = {}
        self._tasks = TaskOwner("informers")

    def informer(self, resource: GroupVersionResource, **selection: str | bool) -> Informer:
        """The informer of a selection (see Selection), made on first demand."""
        wanted = Selection(resource, **selection)  # type: ignore[arg-type]
        informer = self._informers.get(wanted)
        if informer is None:
            informer = self._informers[wanted] = Informer(detect_mutations=self._detect)
            informer.reflector = Reflector(
                self._client.resource(resource),
                informer,
                self._rand,
                namespace=wanted.namespace,
                label_selector=wanted.label_selector,
                field_selector=wanted.field_selector,
                metadata_only=wanted.metadata_only,
            )
        return informer

    def start(self) -> None:
        """Run every informer that does not run yet."""
        for selection, informer in self._informers.items():
            if selection not in self._running and informer.reflector is not None:
                name = f"reflector-{selection.resource.resource}"
                self._running[selection] = self._tasks.create_task(informer.reflector.run(), name=name)

    async def stop(self, selection: Selection) -> None:
        """Stop and forget one informer (a resource that is gone)."""
        self._informers.pop(selection, None)
        task = self._running.pop(selection, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def wait_synced(self) -> None:
        """Return when every informer that was asked for has its first whole state."""
        waits: list[Awaitable[None]] = [informer.wait_synced() for informer in self._informers.values()]
        await asyncio.gather(*waits)

    def check_mutations(self) -> None:
        for informer in self._informers.values():
            informer.check_mutations()

    async def close(self) -> None:
        await self._tasks.close()
