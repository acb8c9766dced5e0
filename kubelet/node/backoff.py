"""Waits that double, by key, from an event on (upstream client-go/util/flowcontrol.Backoff)."""

from __future__ import annotations

from dataclasses import dataclass

from apiserver.apimachinery.clock import Clock

INITIAL, MAXIMUM = 10.0, 300.0  # seconds: containers and images alike
CRASH_EXPIRY = 600.0  # a container that ran this long starts over


@dataclass(slots=True)
class _Entry:
    wait: float
    updated: float


class Backoff:
    """`expiry`: seconds between the last failure and an event after which nothing is remembered."""

    def __init__(
        self, clock: Clock, *, initial: float = INITIAL, maximum: float = MAXIMUM, expiry: float = 0.0
    ) -> None:
        self._clock = clock
        self._initial, self._maximum = initial, maximum
        self._expiry = expiry or maximum * 2
        self._entries: dict[str, _Entry] = {}

    def wait(self, key: str) -> float:
        entry = self._entries.get(key)
        return entry.wait if entry is not None else 0.0

    def failed(self, key: str, event: float) -> None:
        """Count a failure at `event`."""
        now = self._clock.now()
        entry = self._live(key, event)
        wait = min(entry.wait * 2, self._maximum) if entry is not None else self._initial
        self._entries[key] = _Entry(wait, now)

    def until(self, key: str, event: float) -> float:
        """When the wait that began at `event` is over; 0 when there is none (any more)."""
        entry = self._live(key, event)
        if entry is None or self._clock.now() - event >= entry.wait:
            return 0.0
        return event + entry.wait

    def until_since_update(self, key: str) -> float:
        """When the wait that began at the last failure is over; 0 when there is none."""
        entry = self._live(key, self._clock.now())
        if entry is None or self._clock.now() - entry.updated >= entry.wait:
            return 0.0
        return entry.updated + entry.wait

    def forget(self, prefix: str) -> None:
        """Drop what is remembered under keys that begin with `prefix` (a pod's uid)."""
        for key in [key for key in self._entries if key.startswith(prefix)]:
            del self._entries[key]

    def _live(self, key: str, event: float) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is None or event - entry.updated > self._expiry:
            return None
        return entry
