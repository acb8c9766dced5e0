"""Moves the log into the file, from a connection and a thread of its own, so that commits need not wait for it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from apiserver.storage.embedded.reader import Reader
from apiserver.storage.embedded.rows import Row
from apiserver.storage.embedded.worker import Worker
from apiserver.storage.embedded.writer import Writer

log = logging.getLogger(__name__)

CHECKPOINT_BYTES = 8 << 20  # of log, roughly, that start a checkpoint
BYTES_PER_ROW = 8192  # of log, beside the value: its page of the table and that of the index
RESTART_PAGES = 4096  # commits never pause: copy the little that is left between two of them, and begin anew


class Checkpoints:
    """Also lends its thread to what reads the whole file: verifying it, and taking snapshots."""

    def __init__(self, path: Path, writer: Writer, commits: Worker) -> None:
        self._writer = writer
        self._commits = commits
        self._worker = Worker("storage-checkpoint")
        self._reader = Reader(path)
        self._running = False
        self._written = 0  # since the last one began
        self.count = 0

    def after_commit(self, rows: Sequence[Row]) -> None:
        self._written += sum([BYTES_PER_ROW + len(row.value or b"") for row in rows])
        if self._running or self._written < CHECKPOINT_BYTES:
            return
        self._running = True
        self._written = 0
        self._worker.submit(self._reader.checkpoint, self._done)

    def _done(self, pages: int, error: BaseException | None) -> None:
        self._running = False
        self.count += 1
        if error is not None:
            log.warning("checkpoint failed", extra={"error": str(error)})
        elif pages > RESTART_PAGES:
            self._running = True
            self._commits.submit(self._writer.restart_log, self._restarted)

    def _restarted(self, _: Any, error: BaseException | None) -> None:
        self._running = False
        if error is not None:
            log.warning("restarting the log failed", extra={"error": str(error)})

    async def verify(self) -> None:
        await self._worker.run(self._reader.check)

    async def copy_to(self, target: Path) -> None:
        await self._worker.run(partial(self._reader.copy_to, target))

    async def close(self) -> None:
        self._running = True  # no more of them
        self._reader.interrupt()
        await self._worker.stop()
        self._reader.close()
