"""A server under test, seen from outside: where it is and which credentials open it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """URL, CA file, the admin's certificate and key, the processes whose CPU and memory are the server's, the file it
    logs to, and how many seconds after their start it was ready."""

    url: str
    ca: str
    cert: str
    key: str
    pids: tuple[int, ...] = ()
    log: str = ""
    ready_after: float = 0.0
