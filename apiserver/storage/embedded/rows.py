"""A row: one change as it stands in the file, with a checksum over all of it."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

from apiserver.storage.interface import KeyValue


class Row(NamedTuple):
    revision: int
    key: str
    previous: int  # the revision of the key's value before, 0 when there was none
    deleted: bool
    expires: float | None  # on the Clock
    value: bytes | None  # None when deleted

    def item(self) -> KeyValue:
        assert self.value is not None
        return KeyValue(self.key, self.value, self.revision)

    def checksum(self) -> int:
        head = f"{self.revision} {self.previous} {self.deleted:d} {self.expires} {self.key}".encode()
        return zlib.crc32(self.value or b"", zlib.crc32(head))

    def columns(self) -> tuple[Any, ...]:
        """In the order of COLUMNS."""
        return (*self[:3], int(self.deleted), self.expires, self.checksum(), self.value)


COLUMNS = "revision, key, previous, deleted, expires, checksum, value"


class BrokenRow(Exception):
    """A row is not what was written."""


def parse(columns: tuple[Any, ...]) -> Row:
    """The row of COLUMNS as read; raises BrokenRow."""
    revision, key, previous, deleted, expires, checksum, value = columns
    try:
        row = Row(revision, key, previous, bool(deleted), expires, value)
        intact = row.checksum() == checksum
    except (TypeError, ValueError) as e:  # a column of another type than was written
        raise BrokenRow(f"revision {revision} is damaged") from e
    if not intact:
        raise BrokenRow(f"revision {revision} is damaged")
    return row
