"""A Record: one object as the server keeps it: wire bytes and a few parsed facts, immutable, no dicts of the object.

`start + head + managed + tail` is the object's JSON in the storage version, defaulted, with its resourceVersion in place:

    start     {"kind":"Pod","apiVersion":"v1","metadata":      shared by all records of a kind
    head      {"name":"a","uid":"…","resourceVersion":"7",…    metadata without its closing brace
    managed   ,"managedFields":[…]                             or nothing; interned, since equal pods share it
    tail      },"spec":{…},"status":{…}}

so that lists (whose items carry no kind), partial metadata and changed revisions are made without decoding.
Facts are what selectors and indexes need.
"""

from __future__ import annotations

from typing import NamedTuple


class Record(NamedTuple):
    key: str  # the storage key
    revision: int
    namespace: str
    name: str
    uid: str
    start: bytes
    head: bytes
    managed: bytes
    tail: bytes
    labels: tuple[tuple[str, str], ...]  # sorted, interned
    fields: tuple[str, ...]  # the resource's selectable fields, in the order Resource.selectable declares
    owners: tuple[str, ...]  # uids of ownerReferences
    stale: bool = (
        False  # the stored bytes say something else (older defaults, another version): a no-op update must write
    )

    @property
    def wire(self) -> bytes:
        """The whole object as JSON, in the storage version."""
        return b"".join(self[5:9])

    def at(self, revision: int) -> Record:
        """The same content under another resourceVersion: what a DELETED event shows."""
        old = b'"resourceVersion":"%d"' % self.revision
        new = b'"resourceVersion":"%d"' % revision
        return self._replace(revision=revision, head=self.head.replace(old, new, 1))


class Change(NamedTuple):
    """One event as a Cacher keeps it. `record` is None for a deletion, `previous` is None for a creation."""

    revision: int
    record: Record | None
    previous: Record | None
    time: float  # when it arrived, by the Clock

    @property
    def subject(self) -> Record:
        """The record itself, or for a deletion the last one."""
        record = self.record if self.record is not None else self.previous
        assert record is not None
        return record

    @property
    def shown(self) -> Record:
        """What an event of a deletion shows: the previous content at the revision of the change."""
        previous = self.previous if self.previous is not None else self.subject
        return previous.at(self.revision)
