"""A thread that does one thing after the other for an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
Done = Callable[[Any, BaseException | None], None]


class Worker:
    """Runs functions in its thread, in order, and reports back on the loop that made it."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Done] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], Any], done: Done) -> None:
        """Have `job` run; then `done(result, error)` on the loop."""
        self._jobs.put((job, done))

    async def run(self, job: Callable[[], T]) -> T:
        future: asyncio.Future[T] = self._loop.create_future()

        def done(result: T, error: BaseException | None) -> None:
            if future.done():  # who waited was cancelled
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self.submit(job, done)
        return await future

    async def stop(self) -> None:
        """Let what is queued finish, then end the thread."""
        await asyncio.shield(self.run(lambda: None))
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, done = item
            result, error = None, None
            try:
                result = job()
            except BaseException as e:
                error = e
            try:
                self._loop.call_soon_threadsafe(done, result, error)
            except RuntimeError:  # the loop was closed under us: nobody is left to hear
                return
            del item, job, done, result, error  # do not hold a batch while waiting for the next
