"""A Manager runs loops: starts them in order over shared informers, owns their tasks, stops them together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from apiserver.apimachinery.tasks import TaskOwner
from controllers.framework.context import Context

log = logging.getLogger(__name__)


class Loop(Protocol):
    """Anything that runs until cancelled: a Controller, or a loop with a rhythm of its own."""

    @property
    def name(self) -> str: ...

    async def run(self) -> None: ...


class Manager:
    """The loops of one process, in start order."""

    def __init__(self, context: Context, loops: Sequence[Loop]) -> None:
        self.context = context
        self.loops = list(loops)

    async def run(self) -> None:
        """Start informers and loops; return when one loop ends (an error), after stopping the others."""
        tasks = TaskOwner("controller manager")
        self.context.informers.start()
        try:
            running = [tasks.create_task(loop.run(), name=loop.name) for loop in self.loops]
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                log.error("loop ended", extra={"loop": task.get_name()})
        finally:
            await tasks.close()

    @property
    def idle(self) -> bool:
        """No loop that tells has anything queued."""
        return all(getattr(loop, "idle", True) for loop in self.loops)


class Idle:
    """A loop that the process's options leave nothing to do."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def run(self) -> None:
        await asyncio.Event().wait()
