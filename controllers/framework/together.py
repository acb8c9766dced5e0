"""Several loops under one name: a queue and its rhythm, say."""

from __future__ import annotations

import asyncio

from apiserver.apimachinery.tasks import TaskOwner
from controllers.framework.manager import Loop


class Together:
    """Runs its parts side by side; one that ends by an error stops the others. Idle when every part that tells is."""

    def __init__(self, name: str, *parts: Loop) -> None:
        self.name = name
        self._parts = parts

    async def run(self) -> None:
        tasks = TaskOwner(self.name)
        try:
            await asyncio.gather(*(tasks.create_task(part.run(), name=part.name) for part in self._parts))
        finally:
            await tasks.close()

    @property
    def idle(self) -> bool:
        return all(getattr(part, "idle", True) for part in self._parts)
