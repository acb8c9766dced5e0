"""Turns on the loop: of all that write much, one writes a piece in each round, so that a round stays short.

Without them 32 lists of 11 MB at once made rounds of half a second, which every timer and every small request waited for.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """`await turns()` between two pieces; whoever is alone does not wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._taken = False  # this round's turn

    async def __call__(self) -> None:
        if not self._taken:
            self._taken = True
            self._loop.call_soon(self._next)
            return
        turn = self._loop.create_future()
        self._waiting.append(turn)
        await turn

    def _next(self) -> None:
        """The round is over: the next one who still waits has the next."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._loop.call_soon(self._next)  # behind the step that this woke
                return
        self._taken = False
