"""A Controller turns changes into requests, queues them, and lets its Reconciler mend one object at a time.

A Reconciler asks "what is?", never "what happened?"; running it twice changes nothing. An error is retried with back-off.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.client.informer import Handler, Informer
from apiserver.client.workqueue import RateLimiter, WorkQueue

log = logging.getLogger(__name__)


class Request(NamedTuple):
    """The object to mend, by name only: `namespace` is empty for cluster-scoped kinds."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True)
class Result:
    """What a reconcile wants next: to run again in `after` seconds."""

    after: float


class Retry(Exception):
    """Not now, and nothing is wrong with us: try again with back-off."""


class Reconciler(Protocol):
    """Mends one object. Raising means: try again with back-off."""

    async def reconcile(self, request: Request) -> Result | None: ...


Mapper = Callable[[Object], Iterable[Request]]


def request_of(obj: Object) -> Request:
    """The request for the object itself."""
    meta = obj["metadata"]
    return Request(meta.get("namespace") or "", meta["name"])


def itself(obj: Object) -> Iterable[Request]:
    """The mapper of a kind to itself."""
    yield request_of(obj)


class Controller:
    """One queue and its workers. Feed it with `watch`; `run` works until cancelled."""

    def __init__(
        self,
        name: str,
        reconciler: Reconciler,
        *,
        workers: int = 1,
        rate_limiter: RateLimiter[Request] | None = None,
    ) -> None:
        self.name = name
        self.reconciler = reconciler
        self.queue = WorkQueue[Request](rate_limiter)
        self._workers = workers
        self._informers: list[Informer] = []

    def watch(
        self,
        informer: Informer,
        to_requests: Mapper = itself,
        *,
        when: Callable[[Object | None, Object], bool] | None = None,
    ) -> None:
        """Queue what `to_requests` says of each changed object: of the old one too, it may have moved.

        `when(old, new)` leaves changes out; it is asked for additions (old is None) and updates, not for deletions.
        """

        def enqueue(*changed: Object) -> None:
            for obj in changed:
                for request in to_requests(obj):
                    self.queue.add(request)

        informer.add_handler(
            Handler(
                added=lambda new: enqueue(new) if when is None or when(None, new) else None,
                updated=lambda old, new: enqueue(old, new) if when is None or when(old, new) else None,
                deleted=enqueue,
            )
        )
        self.needs(informer)

    def needs(self, informer: Informer) -> None:
        """Do not start before this informer has its first state."""
        if informer not in self._informers:
            self._informers.append(informer)

    @property
    def idle(self) -> bool:
        return self.queue.idle

    async def run(self) -> None:
        """Wait for the informers, then work. Ends by cancellation, its workers with it."""
        for informer in self._informers:
            await informer.wait_synced()
        tasks = TaskOwner(self.name)
        try:
            workers = [tasks.create_task(self._work(), name=f"{self.name}-{i}") for i in range(self._workers)]
            await asyncio.gather(*workers)
        finally:
            self.queue.shut_down()
            await tasks.close()

    async def _work(self) -> None:
        while (request := await self.queue.get()) is not None:
            try:
                await self._reconcile(request)
            finally:
                self.queue.done(request)

    async def _reconcile(self, request: Request) -> None:
        try:
            result = await self.reconciler.reconcile(request)
        except (StatusError, ConnectionError, TimeoutError, OSError, Retry) as error:
            log.info("reconcile failed", extra={"controller": self.name, "request": str(request), "error": str(error)})
            self.queue.add_rate_limited(request)
        except Exception:
            log.exception("reconcile failed", extra={"controller": self.name, "request": str(request)})
            self.queue.add_rate_limited(request)
        else:
            self.queue.forget(request)
            if result is not None:
                self.queue.add_after(request, result.after)
