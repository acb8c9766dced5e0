"""How readers wait for a revision: one question to storage for many callers, and waiters woken as revisions arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from heapq import heappop, heappush

from apiserver.apimachinery.tasks import TaskOwner


class SharedQuestion:
    """Asks `ask` for callers who each need an answer to a question put *after* they came.

    A caller who finds nobody asking asks itself. Who comes while a question is under way shares the next one.
    """

    def __init__(self, ask: Callable[[], Awaitable[int]], tasks: TaskOwner) -> None:
        self._ask = ask
        self._tasks = tasks
        self._asking = False
        self._next: asyncio.Future[int] | None = None

    async def answer(self) -> int:
        if not self._asking:
            return await self._ask_now()
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        return await asyncio.shield(self._next)

    async def _ask_now(self) -> int:
        self._asking = True
        try:
            return await self._ask()
        finally:
            self._asking = False
            if self._next is not None:
                self._tasks.create_task(self._answer_next(), name="storage-revision")

    async def _answer_next(self) -> None:
        waiting, self._next = self._next, None
        assert waiting is not None
        try:
            answer = await self._ask_now()
        except BaseException as e:
            waiting.cancel() if isinstance(e, asyncio.CancelledError) else waiting.set_exception(e)
            waiting.cancelled() or waiting.exception()  # those who waited may all have gone
            return
        if not waiting.done():
            waiting.set_result(answer)


class RevisionWaiters:
    """Futures by the revision they wait for, in order."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, asyncio.Future[bool]]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._heap)

    async def wait(self, revision: int, timeout: float) -> bool:
        """Wait until `reached` is called with this revision; False when that took longer than `timeout`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        self._count += 1
        heappush(self._heap, (revision, self._count, future))
        timer = loop.call_later(timeout, _settle, future, False)
        try:
            return await future
        finally:
            timer.cancel()

    def reached(self, revision: int) -> None:
        heap = self._heap
        while heap and (heap[0][0] <= revision or heap[0][2].done()):
            _settle(heappop(heap)[2], True)


def _settle(future: asyncio.Future[bool], answer: bool) -> None:
    if not future.done():
        future.set_result(answer)
