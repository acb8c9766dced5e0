"""Node ports as one bitmap in storage, shared by all API servers (real ones too) through compare-and-swap.

The stored object is upstream's RangeAllocation: `data` is a big-endian number whose bit i says that port i of the range
is taken (pkg/registry/core/service/portallocator, allocator.AllocationBitmap).
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterable
from typing import TypeVar

import orjson

from apiserver.api.core.rest.ip_allocator import ALLOCATED, FULL, AllocationError
from apiserver.registry.dependencies import Dependencies
from apiserver.storage.interface import Conflict, KeyExists, KeyNotFound

KEY = "/registry/ranges/servicenodeports"
TRIES = 100  # lost races in a row before giving up
PORT_ALLOCATED = ALLOCATED.replace("IP", "port")

T = TypeVar("T")


class PortAllocator:
    """Allocates and releases node ports."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._storage = dependencies.storage
        self._rand = dependencies.rand
        self._first, self._last = dependencies.service_node_ports
        # One writer at a time, as upstream's etcd allocator: only other servers are left to race with.
        self._writing = asyncio.Lock()

    async def _change(self, change: Callable[[int], tuple[int, T]], *, dry_run: bool) -> T:
        """Read the bitmap, let `change` make the next one, and write it unless somebody else did meanwhile."""
        if dry_run:
            return change((await self._read())[0])[1]
        async with self._writing:
            for _ in range(TRIES):
                bits, revision = await self._read()
                changed, result = change(bits)
                if changed == bits or await self._write(changed, revision):
                    return result
        raise AllocationError("could not allocate ports: too many concurrent changes")

    async def _read(self) -> tuple[int, int]:
        """The bitmap and its revision, 0 before the first write."""
        found = (await self._storage.get(KEY)).item
        return (self._decode(found.value), found.revision) if found is not None else (0, 0)

    async def _write(self, bits: int, expected: int) -> bool:
        try:
            await self._storage.put(KEY, self._encode(bits), expected=expected)
        except (Conflict, KeyExists, KeyNotFound):
            return False
        return True

    def _decode(self, value: bytes) -> int:
        return int.from_bytes(base64.b64decode(orjson.loads(value).get("data") or ""), "big")

    def _encode(self, bits: int) -> bytes:
        data = base64.b64encode(bits.to_bytes((bits.bit_length() + 7) // 8, "big")).decode()
        made = {
            "kind": "RangeAllocation",
            "apiVersion": "v1",
            "metadata": {},
            "range": f"{self._first}-{self._last}",
            "data": data,
        }
        return orjson.dumps(made)

    async def take(self, port: int, *, dry_run: bool) -> int:
        """Allocate a given port. Raises AllocationError. A dry run only sees to it that nobody has it."""
        if not self._first <= port <= self._last:
            if dry_run:
                return port
            raise AllocationError(
                f"provided port is not in the valid range. The range of valid ports is {self._first}-{self._last}"
            )

        def change(bits: int) -> tuple[int, int]:
            bit = 1 << (port - self._first)
            if bits & bit:
                raise AllocationError(PORT_ALLOCATED)
            return bits | bit, port

        return await self._change(change, dry_run=dry_run)

    async def take_any(self) -> int:
        """Allocate a free port at random, from the upper band first. Raises AllocationError when all are taken."""

        def change(bits: int) -> tuple[int, int]:
            size = self._last - self._first + 1
            band = min(max(16, size // 32), 128) if size >= 16 else 0
            for low, high in ((band, size), (0, band)):
                free = [i for i in range(low, high) if not bits >> i & 1]
                if free:
                    chosen = self._rand.choice(free)
                    return bits | 1 << chosen, self._first + chosen
            raise AllocationError(FULL)

        return await self._change(change, dry_run=False)

    async def release(self, ports: Iterable[int], *, dry_run: bool) -> None:
        mask = sum(1 << (port - self._first) for port in set(ports) if self._first <= port <= self._last)
        if mask:
            await self._change(lambda bits: (bits & ~mask, None), dry_run=dry_run)
