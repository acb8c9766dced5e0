"""A ledger of writes under failures: what was tried, what was acknowledged, and whether the history agrees.

Every put writes a value of its own (the write's id), so that each event can be traced to the attempt it came from.
"""

from __future__ import annotations

from collections.abc import Iterable

from apiserver.storage.interface import PUT, Event, KeyValue


class Ledger:
    """Judges a store's history; every broken promise is an AssertionError that names it."""

    def __init__(self) -> None:
        self.tried: dict[str, str] = {}  # id → key
        self.acknowledged: dict[str, int] = {}  # id → revision
        self.history: list[Event] = []  # all events, in order

    def extend(self, events: Iterable[Event]) -> None:
        """What a watch tells that resumed behind the last event of `history`."""
        last = self.history[-1].revision if self.history else 0
        for event in events:
            assert event.revision > last, f"revision {event.revision} came after {last}"
            last = event.revision
            self.history.append(event)

    def check(self) -> None:
        by_revision = {event.revision: event for event in self.history}
        written: dict[str, int] = {}
        for event in self.history:
            if event.type == PUT:
                assert event.value is not None
                name = event.value.decode()
                assert name not in written, f"{name} was written twice: at {written[name]} and {event.revision}"
                assert self.tried.get(name) == event.key, f"{name} was never tried on {event.key}"
                written[name] = event.revision
        for name, revision in self.acknowledged.items():
            told = by_revision.get(revision)
            assert told is not None, f"the acknowledged {name} at {revision} is missing"
            assert told.key == self.tried[name], f"revision {revision} of {name} was used for {told.key}"
            if name.startswith("delete"):
                assert told.type != PUT, f"revision {revision} of {name} was used for {told.value!r}"
            else:
                assert told.value == name.encode(), f"revision {revision} of {name} was used for {told.value!r}"
        assert len(set(self.acknowledged.values())) == len(self.acknowledged), "a revision was acknowledged twice"

    def check_chain(self) -> None:
        """Each event tells of the value before it."""
        current: dict[str, Event] = {}
        for event in self.history:
            before = current.get(event.key)
            expected = (None, 0) if before is None or before.type != PUT else (before.value, before.revision)
            assert (event.previous, event.previous_revision) == expected, (
                f"revision {event.revision} knows another past"
            )
            current[event.key] = event

    def state(self) -> list[KeyValue]:
        """What a list must give."""
        current: dict[str, Event] = {event.key: event for event in self.history}
        return [
            KeyValue(key, event.value, event.revision)
            for key, event in sorted(current.items())
            if event.type == PUT and event.value is not None
        ]
