"""What passes between a component and its supervisor: one JSON line (ready, or why it never will be), and a lifeline.

The lifeline is a pipe of which the supervisor holds the writing end as long as it lives: when it closes, the component
stops, so that nothing outlives a supervisor that was killed.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Any

READY_FLAG = "--ready-fd"  # names the descriptor to tell by
LIFELINE_FLAG = "--lifeline-fd"  # and the one to watch


class Reporter:
    """Tells the supervisor, once, how the start went; without one, errors go to the terminal."""

    def __init__(self, descriptor: int | None, lifeline: int | None = None) -> None:
        self._descriptor = descriptor
        self.lifeline = lifeline

    def ready(self, **facts: Any) -> None:
        self._tell({"ready": True, **facts})

    @property
    def is_for_terminal(self) -> bool:
        """Nobody waits at the other end of a pipe."""
        return self._descriptor is None

    def failed(self, error: str, *, quiet: bool = False) -> None:
        """`quiet`: the terminal has been told already."""
        if self._descriptor is None and not quiet:
            print(f"Error: {error}", file=sys.stderr)
        self._tell({"error": error})

    def _tell(self, message: dict[str, Any]) -> None:
        if self._descriptor is not None:
            with suppress(BrokenPipeError):  # nobody listens when a component is started again
                os.write(self._descriptor, json.dumps(message).encode() + b"\n")
            os.close(self._descriptor)
            self._descriptor = None


def take_reporter(arguments: list[str]) -> Reporter:
    """The Reporter that the arguments name; they lose its flags."""
    return Reporter(_take(arguments, READY_FLAG), _take(arguments, LIFELINE_FLAG))


def _take(arguments: list[str], flag: str) -> int | None:
    if flag not in arguments:
        return None
    at = arguments.index(flag)
    descriptor = int(arguments[at + 1])
    del arguments[at : at + 2]
    return descriptor
