"""A Record: one object as the server keeps it: wire bytes and a few parsed facts, immutable, no dicts of the object.

`head + managed + tail` is the object's JSON in the storage version with its resourceVersion in place. `managed` holds
`"managedFields":[…],` (or nothing) and is interned: equal pods share it. Facts are what selectors and indexes need.
"""

from __future__ import annotations

from typing import NamedTuple


class Record(NamedTuple):
    key: str  # the storage key
    revision: int
    namespace: str
    name: str
    uid: str
    head: bytes
    managed: bytes
    tail: bytes
    labels: tuple[tuple[str, str], ...]  # sorted, interned
    fields: tuple[str, ...]  # the resource's selectable fields, in the order Resource.selectable declares
    owners: tuple[str, ...]  # uids of ownerReferences

    @property
    def wire(self) -> bytes:
        """The whole object as JSON, in the storage version."""
        return self.head + self.managed + self.tail
