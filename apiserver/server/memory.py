"""Memory that goes back to the system: once many connections have gone, and once a minute.

A TLS connection takes 50 kB, most of it in the loop's buffers. glibc keeps what is freed between pieces still in use:
2,000 watches that ended left 165 MB resident, of which `malloc_trim` gives 85 back; 50,000 bad requests, of all sizes, left
42 MB too much.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

log = logging.getLogger(__name__)

INTERVAL = 5.0  # seconds
MANY = 250  # connections; a trim takes 1 ms for them, in which nobody else can allocate
ROUNDS = 12  # looks between two trims that nothing in particular asks for


def malloc_trim() -> None:
    """glibc's; elsewhere nothing."""
    import ctypes  # 8 ms of import: on first use

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class Trimmer:
    """Looks at the number of connections until it is closed. `trim` begins a trim, in a thread where nothing else is said."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connections: Callable[[], int],
        trim: Callable[[], asyncio.Future[None]] | None = None,
    ) -> None:
        self._loop = loop
        self._connections = connections
        self._trim = trim or (lambda: loop.run_in_executor(None, malloc_trim))
        self._peak = 0
        self._rounds = 0
        self._trimming: asyncio.Future[None] | None = None
        self._timer = loop.call_later(INTERVAL, self._look)

    def _look(self) -> None:
        now = self._connections()
        self._rounds += 1
        if self._peak - now >= MANY or self._rounds >= ROUNDS:
            self._peak, self._rounds = now, 0
            self._trimming = self._trim()
        self._peak = max(self._peak, now)
        self._timer = self._loop.call_later(INTERVAL, self._look)

    async def close(self) -> None:
        self._timer.cancel()
        if self._trimming is not None:
            await self._trimming
