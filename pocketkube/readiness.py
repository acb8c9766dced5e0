"""How a component tells its supervisor that it is ready, or why it will never be: one JSON line in a pipe."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

READY_FLAG = "--ready-fd"  # names the pipe's descriptor


class Reporter:
    """Tells the supervisor, once, how the start went; without one, errors go to the terminal."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def ready(self, **facts: Any) -> None:
        self._tell({"ready": True, **facts})

    def failed(self, error: str) -> None:
        if self._descriptor is None:
            print(f"Error: {error}", file=sys.stderr)
        self._tell({"error": error})

    def _tell(self, message: dict[str, Any]) -> None:
        if self._descriptor is not None:
            os.write(self._descriptor, json.dumps(message).encode() + b"\n")
            os.close(self._descriptor)
            self._descriptor = None


def take_reporter(arguments: list[str]) -> Reporter:
    """The Reporter that the arguments name; they lose the flag."""
    if READY_FLAG not in arguments:
        return Reporter(None)
    at = arguments.index(READY_FLAG)
    descriptor = int(arguments[at + 1])
    del arguments[at : at + 2]
    return Reporter(descriptor)
