"""Drops history that nobody can still want: every interval, everything older than one interval.

As upstream storage/etcd3/compact.go: what is dropped is the revision seen one interval ago, so that a client has at least
that long to resume.
"""

from __future__ import annotations

import asyncio
import logging

from apiserver.storage.interface import Storage, StorageError

log = logging.getLogger(__name__)


async def compact_forever(storage: Storage, interval: float) -> None:
    """Runs until cancelled. A storage that does not answer is asked again next time."""
    previous = 0
    while True:
        try:
            current = await storage.current_revision()
            if previous:
                await storage.compact(previous)
            previous = current
        except StorageError as e:
            log.warning("history was not compacted", extra={"reason": str(e)})
        await asyncio.sleep(interval)
