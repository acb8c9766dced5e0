"""MemoryStorage alone: what holds in virtual time."""

from __future__ import annotations

import asyncio

from apiserver.apimachinery.clock import LoopClock, run_virtual
from apiserver.storage.interface import DELETE
from apiserver.storage.memory import MemoryStorage


def test_a_key_expires_at_its_ttl_in_virtual_time() -> None:
    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop())
        storage = MemoryStorage(clock)
        watch = storage.watch("/registry/events/", after=0)
        put = await storage.put("/registry/events/a", b"{}", expected=0, ttl=3600.0)
        began = clock.now()
        events = [(await anext(aiter(watch)))[0] for _ in range(2)]
        assert [(e.type, e.revision, e.previous_revision) for e in events][1] == (DELETE, put + 1, put)
        assert 3600 <= clock.now() - began < 3601
        await storage.close()

    run_virtual(main())
