"""Doing many of the same thing without flooding the server with what is going to fail."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

SLOW_START = 1  # upstream controller.SlowStartInitialBatchSize


async def slow_start(
    count: int, act: Callable[[], Awaitable[None]], first: int = SLOW_START
) -> tuple[int, Exception | None]:
    """Do `act` `count` times, in batches of 1, 2, 4, …, and stop after a batch in which one failed.

    Returns how many succeeded and the first failure.
    """
    done = 0
    size = min(count, first)
    while size > 0:
        outcomes = await asyncio.gather(*(act() for _ in range(size)), return_exceptions=True)
        errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        done += len(outcomes) - len(errors)
        for error in errors:
            if not isinstance(error, Exception):
                raise error
            return done, error
        count -= size
        size = min(2 * size, count)
    return done, None
