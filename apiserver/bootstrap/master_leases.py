"""Which API servers are up: a key with a time to live for each, under /registry/masterleases.

Not objects of the API: a real kube-apiserver on the same etcd reads and writes the same keys (upstream
pkg/controlplane/reconcilers/lease.go).
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from apiserver.apimachinery.objects import get
from apiserver.storage.interface import Conflict, KeyExists, KeyNotFound, Storage

TTL = 15.0  # seconds; renewed every 10
MAX_TRIES = 5


@dataclass(frozen=True)
class MasterLeases:
    storage: Storage
    prefix: str  # "/registry/masterleases/"

    async def addresses(self) -> list[str]:
        """The addresses of all API servers that are up, in the order of their keys."""
        found = await self.storage.list(self.prefix)
        values = [orjson.loads(item.value) for item in found.items]
        addresses = (get(value, "subsets", 0, "addresses", 0, "ip", default="") for value in values)
        return [address for address in addresses if address]

    async def renew(self, address: str) -> None:
        """Live on for TTL seconds; what is written has to differ from before, hence the generation."""
        key = self.prefix + address
        for _ in range(MAX_TRIES - 1):
            try:
                await self._renew(key, address)
                return
            except (Conflict, KeyExists, KeyNotFound):
                continue
        await self._renew(key, address)

    async def _renew(self, key: str, address: str) -> None:
        item = (await self.storage.get(key)).item
        generation = 0 if item is None else get(orjson.loads(item.value), "metadata", "generation", default=0)
        lease = {
            "kind": "Endpoints",
            "apiVersion": "v1",
            "metadata": {"generation": generation + 1},
            "subsets": [{"addresses": [{"ip": address}]}],
        }
        await self.storage.put(key, orjson.dumps(lease), expected=0 if item is None else item.revision, ttl=TTL)

    async def remove(self, address: str) -> bool:
        """Whether there was one."""
        try:
            await self.storage.delete(self.prefix + address, expected=None)
        except KeyNotFound:
            return False
        return True
