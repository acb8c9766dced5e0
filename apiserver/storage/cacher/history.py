"""The last changes of one prefix: what watches resume from and what older snapshots are made of."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from apiserver.storage.cacher.record import Change

FRESH = 75.0  # seconds for which changes are kept, as upstream's DefaultEventFreshDuration
LEAST = 100  # changes kept however old they are, as upstream's lower bound
MOST = 20_000
MOST_BYTES = 8 << 20  # of old records that only history keeps alive


class History:
    """Changes in revision order, bounded by age, number and bytes. Complete above `floor`."""

    def __init__(self, floor: int) -> None:
        self.floor = floor
        self._changes: deque[Change] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._changes)

    def append(self, change: Change) -> None:
        self._changes.append(change)
        self._bytes += _weight(change)
        if len(self._changes) > LEAST:
            self._trim(change.time - FRESH)

    def since(self, revision: int) -> list[Change]:
        """The changes after `revision`, which is not below the floor."""
        newer = list(self.newest_first(revision))
        newer.reverse()
        return newer

    def newest_first(self, revision: int) -> Iterator[Change]:
        """The changes after `revision`, the newest first."""
        for change in reversed(self._changes):
            if change.revision <= revision:
                return
            yield change

    def _trim(self, oldest: float) -> None:
        changes = self._changes
        while len(changes) > LEAST:
            first = changes[0]
            if first.time >= oldest and len(changes) <= MOST and self._bytes <= MOST_BYTES:
                return
            changes.popleft()
            self._bytes -= _weight(first)
            self.floor = first.revision


def _weight(change: Change) -> int:
    """About what keeping this change costs beyond the living record."""
    previous = change.previous
    return 300 + (len(previous.head) + len(previous.tail) if previous is not None else 0)
