"""Tells when something happened to a pod's containers (upstream's pod lifecycle event generator, evented and generic).

A runtime that tells of its changes is listened to; another one is listed once a second while the node has pods.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from kubelet.runtime.interface import ContainerRuntime, ContainerRuntimeError

log = logging.getLogger(__name__)

RELIST = 1.0  # seconds (upstream genericPlegRelistPeriod)
IDLE = 10.0

Seen = dict[str, dict[str, str]]  # pod uid → what it has → its state


class Pleg:
    """Calls `changed` with the uid of a pod; many changes at once may be one call."""

    def __init__(self, runtime: ContainerRuntime, changed: Callable[[str], None]) -> None:
        self._runtime = runtime
        self._changed = changed
        self._seen: Seen = {}

    async def run(self) -> None:
        if self._runtime.emits_events:
            async for event in self._runtime.events():
                self._changed(event.pod_uid)
            return
        while True:
            try:
                await self._relist()
            except ContainerRuntimeError as error:
                log.info("runtime not listed", extra={"error": str(error)})
            await asyncio.sleep(RELIST if self._seen else IDLE)

    async def _relist(self) -> None:
        now: Seen = {}
        for sandbox in await self._runtime.sandboxes():
            now.setdefault(sandbox.pod_uid, {})[sandbox.id] = "ready" if sandbox.ready else "notready"
        for container in await self._runtime.containers():
            now.setdefault(container.pod_uid, {})[container.id] = container.state
        before, self._seen = self._seen, now
        for uid in dict.fromkeys((*before, *now)):
            if before.get(uid) != now.get(uid):
                self._changed(uid)
