"""Turns on the loop: of all that want to work, a few do so in each round, so that a round stays short.

What needs several rounds (a handshake, a write that waits for storage) is as slow as these are long. Without turns 32 lists
of 11 MB at once made rounds of half a second, and 500 creates at once kept a new client from its handshake for ten.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """`await turns()` before a piece of work; whoever is among the first `each` of a round does not wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop, each: int = 1) -> None:
        self._loop = loop
        self._each = each
        self._left = each  # turns of this round
        self._counting = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __call__(self) -> None:
        if self._left:
            self._left -= 1
            if not self._counting:
                self._counting = True
                self._loop.call_soon(self._next)
            return
        turn = self._loop.create_future()
        self._waiting.append(turn)
        await turn

    def _next(self) -> None:
        """The round is over: those who have waited longest have the next."""
        self._left = self._each
        while self._waiting and self._left:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._left -= 1
        self._counting = self._left < self._each
        if self._counting:
            self._loop.call_soon(self._next)  # behind the steps that this woke
