"""Leases: how a ttl reaches etcd. One lease serves many keys that end at about the same time.

As upstream storage/etcd3/lease_manager.go: the last lease is used again while it ends no earlier than asked, and not
much later; so a key may outlive its ttl by 5 %, at most by a minute.
"""

from __future__ import annotations

import asyncio
import math

from apiserver.apimachinery.clock import Clock
from apiserver.storage.etcd import wire
from apiserver.storage.etcd.gateway import Gateway

REUSE_SECONDS = 60
REUSE_SHARE = 0.05
MOST_KEYS = 1000


class Leases:
    def __init__(self, gateway: Gateway, clock: Clock) -> None:
        self._gateway = gateway
        self._clock = clock
        self._lock = asyncio.Lock()
        self._lease = 0
        self._ends = 0.0
        self._keys = 0
        self.granted = 0

    async def lease(self, ttl: float) -> int:
        """A lease for one more key."""
        seconds = max(1, math.ceil(ttl))
        extra = min(REUSE_SECONDS, int(REUSE_SHARE * seconds))
        async with self._lock:
            now = self._clock.now()
            self._keys += 1
            if now + seconds < self._ends < now + seconds + extra and self._keys <= MOST_KEYS:
                return self._lease
            answer = await self._gateway.call("/lease/grant", wire.grant(seconds + extra), repeatable=True)
            self._lease, self._ends, self._keys = int(answer["ID"]), now + seconds + extra, 1
            self.granted += 1
            return self._lease

    def forget(self, lease: int) -> None:
        """etcd does not know it any more."""
        if lease == self._lease:
            self._ends = 0.0
