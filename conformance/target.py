"""A server under test, seen from outside: where it is and which credentials open it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """URL, CA file, the admin's certificate and key, and the processes whose CPU and memory are the server's."""

    url: str
    ca: str
    cert: str
    key: str
    pids: tuple[int, ...] = ()
