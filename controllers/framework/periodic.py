"""A loop that looks at everything at intervals, for what no single change tells."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from apiserver.apimachinery.errors import StatusError
from apiserver.client.informer import Informer

log = logging.getLogger(__name__)


class Periodic:
    """Calls `look` when the informers it needs have synced, and `every` seconds after each end; errors are logged."""

    def __init__(
        self, name: str, look: Callable[[], Awaitable[None]], every: float, *, needs: Sequence[Informer] = ()
    ) -> None:
        self.name = name
        self._look = look
        self._every = every
        self._needs = needs

    async def run(self) -> None:
        for informer in self._needs:
            await informer.wait_synced()
        while True:
            try:
                await self._look()
            except (StatusError, ConnectionError, TimeoutError, OSError) as error:
                log.info("look failed", extra={"loop": self.name, "error": str(error)})
            except Exception:
                log.exception("look failed", extra={"loop": self.name})
            await asyncio.sleep(self._every)
