"""What a post-start hook works with, and what a hook is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.rand import Random
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.auth.authenticators.request_header import RequestHeaderOptions
from apiserver.bootstrap.objects import Objects
from apiserver.registry.store import Store
from apiserver.storage.interface import Storage, StorageError

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Flags that hooks read."""

    advertise_address: str
    port: int  # on which clients reach this server: --secure-port
    hostname: str
    service_ip_ranges: tuple[str, ...] = ("10.96.0.0/12",)
    service_node_port: int = 0  # --kubernetes-service-node-port
    endpoint_reconciler: str = "lease"  # or "none"
    etcd_prefix: str = "/registry"
    client_ca_pem: bytes = b""
    request_header: RequestHeaderOptions | None = None


@dataclass(frozen=True, kw_only=True)
class BootstrapContext:
    """The server's parts as hooks see them. Background work belongs to `tasks`, which the server closes."""

    clock: Clock
    rand: Random
    storage: Storage
    objects: Objects
    tasks: TaskOwner
    settings: Settings
    ready: Callable[[], Awaitable[bool]]  # whether /readyz says ok

    @classmethod
    def make(
        cls,
        *,
        clock: Clock,
        rand: Random,
        storage: Storage,
        store: Callable[[GroupResource], Store],
        tasks: TaskOwner,
        settings: Settings,
        ready: Callable[[], Awaitable[bool]],
    ) -> BootstrapContext:
        objects = Objects(clock, rand, store)
        return cls(
            clock=clock, rand=rand, storage=storage, objects=objects, tasks=tasks, settings=settings, ready=ready
        )

    def every(self, seconds: float, sync: Callable[[], Awaitable[None]], name: str) -> None:
        """Run `sync` every so often from now on; what it raises is logged, and it is tried again the next time."""
        self.tasks.create_task(self._repeat(seconds, sync, name), name=name)

    async def _repeat(self, seconds: float, sync: Callable[[], Awaitable[None]], name: str) -> None:
        while True:
            await asyncio.sleep(seconds)
            await attempt(sync, name)


async def attempt(sync: Callable[[], Awaitable[None]], name: str) -> bool:
    """Whether it went well; what went wrong is logged, and stops nothing else."""
    try:
        await sync()
    except (StatusError, StorageError) as e:
        log.warning("a hook could not do its work, it will try again", extra={"hook": name, "reason": str(e)})
        return False
    except Exception:
        log.exception("a hook failed unexpectedly, it will try again", extra={"hook": name})
        return False
    return True


class Hook(NamedTuple):
    """One named piece of the server's start, a readyz check `poststarthook/<name>`; `stop` undoes what must not stay.

    A server that does not serve one of the resources it `needs` starts without it.
    """

    name: str
    start: Callable[[BootstrapContext], Awaitable[None]]
    needs: tuple[GroupResource, ...] = ()
    stop: Callable[[BootstrapContext], Awaitable[None]] | None = None
