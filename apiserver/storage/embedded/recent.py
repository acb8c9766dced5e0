"""The last rows committed, kept in memory so that a watch at the head of the log does not read the file."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from apiserver.storage.embedded.rows import Row

MAX_ROWS = 2000
MAX_BYTES = 2 << 20


class Recent:
    """A bounded run of rows with consecutive revisions, ending with the newest."""

    def __init__(self) -> None:
        self._rows: deque[Row] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._rows)

    def extend(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._rows.append(row)
            self._bytes += len(row.value or b"")
        while len(self._rows) > MAX_ROWS or (self._bytes > MAX_BYTES and len(self._rows) > len(rows)):
            self._bytes -= len(self._rows.popleft().value or b"")

    def row(self, revision: int) -> Row | None:
        if not self._rows or revision < self._rows[0].revision:
            return None
        return self._rows[revision - self._rows[0].revision]

    def after(self, revision: int, limit: int) -> list[Row] | None:
        """The rows behind `revision`; None where some of them are not here."""
        if not self._rows or revision + 1 < self._rows[0].revision:
            return None
        begin = revision + 1 - self._rows[0].revision
        return [self._rows[i] for i in range(begin, min(begin + limit, len(self._rows)))]
