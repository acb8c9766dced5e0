"""What the user sees while something comes up: named steps with ✓ and their times."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


def say(text: str) -> None:
    print(text, flush=True)


@contextmanager
def step(text: str) -> Iterator[list[str]]:
    """A named step: ✓ and its time when it is done, ✗ when it failed. What is put in the list ends the line."""
    started = time.perf_counter()
    more: list[str] = []
    try:
        yield more
    except BaseException:
        say(f" ✗ {text}")
        raise
    say(f" ✓ {' '.join([text, *more])} ({shown(time.perf_counter() - started)})")


def shown(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
