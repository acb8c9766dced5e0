"""Leader election by Lease: one of many processes acts, the others wait. Mirrors client-go/tools/leaderelection."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import Clock, rfc3339_micro
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import Client, jitter

log = logging.getLogger(__name__)

LEASES = GroupVersionResource("coordination.k8s.io", "v1", "leases")
JITTER = 1.2  # upstream JitterFactor


@dataclass(frozen=True)
class Terms:
    """Seconds: how long a lease lasts, how long its holder tries to renew, how often everyone looks."""

    lease_duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0


class LeaderElector:
    """Runs `lead` while this identity holds the lease `namespace/name`; returns when the lease is lost."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        rand: random.Random,
        *,
        name: str,
        identity: str,
        namespace: str = "kube-system",
        terms: Terms | None = None,
        on_standby: Callable[[], None] | None = None,
    ) -> None:
        """`on_standby` is called each time it is seen that another holds the lease."""
        self._leases = client.resource(LEASES)
        self._clock = clock
        self._rand = rand
        self._name, self._namespace, self._identity = name, namespace, identity
        self._terms = terms or Terms()
        self._on_standby = on_standby
        self._observed: Object | None = None
        self._observed_at = 0.0
        self.is_leader = False

    @property
    def leader(self) -> str:
        """Who was last seen to lead; empty when nobody was."""
        return (self._observed or {}).get("spec", {}).get("holderIdentity") or ""

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Wait for the lease, lead, and come back when it is lost or `lead` returned; the lease is released then."""
        await self._acquire()
        log.info("became leader", extra={"lease": self._name, "identity": self._identity})
        work = asyncio.ensure_future(lead())
        renew = asyncio.ensure_future(self._renew())
        try:
            await asyncio.wait({work, renew}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.is_leader = False
            for task in (work, renew):
                task.cancel()
            await asyncio.gather(work, renew, return_exceptions=True)
            await self._release()
        if work.done() and not work.cancelled() and (error := work.exception()):
            raise error

    async def _acquire(self) -> None:
        while True:
            if await self._try():
                return
            if self._on_standby is not None and self.leader:
                self._on_standby()
            await asyncio.sleep(jitter(self._terms.retry_period, JITTER, self._rand))

    async def _renew(self) -> None:
        """Renew until it failed for the length of the deadline."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._terms.renew_deadline
        while loop.time() < deadline:
            if await self._try():
                deadline = loop.time() + self._terms.renew_deadline
            await asyncio.sleep(self._terms.retry_period)
        log.warning("lost the lease", extra={"lease": self._name, "identity": self._identity})

    async def _try(self) -> bool:
        """Take or renew the lease; False when another holds it or the server did not answer."""
        try:
            async with asyncio.timeout(self._terms.renew_deadline / 2):
                self.is_leader = await self._take_or_renew()
        except (StatusError, ConnectionError, TimeoutError, OSError) as error:
            log.info("lease not updated", extra={"lease": self._name, "error": str(error)})
            self.is_leader = False
        return self.is_leader

    async def _take_or_renew(self) -> bool:
        now = asyncio.get_running_loop().time()
        try:
            lease = await self._leases.get(self._name, self._namespace)
        except StatusError as error:
            if error.code != 404:
                raise
            self._observe(await self._leases.create(self._new_lease(), self._namespace), now)
            return True
        if self._observed is None or self._observed["spec"] != lease["spec"]:
            self._observe(lease, now)
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        expires = self._observed_at + (spec.get("leaseDurationSeconds") or self._terms.lease_duration)
        if holder and holder != self._identity and expires > now:
            return False
        self._observe(await self._leases.update(self._taken(lease, holder)), now)
        return True

    def _observe(self, lease: Object, now: float) -> None:
        self._observed, self._observed_at = lease, now

    def _new_lease(self) -> Object:
        now = rfc3339_micro(self._clock.now())
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(self._terms.lease_duration),
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": 0,
        }
        meta = {"name": self._name, "namespace": self._namespace}
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}

    def _taken(self, lease: Object, holder: str) -> Object:
        now = rfc3339_micro(self._clock.now())
        taken: Object = objects.copy(lease)
        spec = taken.setdefault("spec", {})
        if holder != self._identity:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = (spec.get("leaseTransitions") or 0) + 1
        spec |= {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(self._terms.lease_duration),
            "renewTime": now,
        }
        return taken

    async def _release(self) -> None:
        """Give the lease up, so that the next one need not wait (upstream ReleaseOnCancel)."""
        try:
            async with asyncio.timeout(self._terms.retry_period):
                lease = await self._leases.get(self._name, self._namespace)
                if lease["spec"].get("holderIdentity") == self._identity:
                    lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                    await self._leases.update(lease)
        except (StatusError, ConnectionError, TimeoutError, OSError) as error:
            log.info("lease not released", extra={"lease": self._name, "error": str(error)})
