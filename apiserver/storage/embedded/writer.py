"""The connection that writes.

A commit is a single INSERT of all its rows, in autocommit: one statement gives up the interpreter lock once, where a
transaction of single inserts would have to win it back from a busy loop for every row.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from apiserver.storage.embedded.database import Facts, connect, read_facts, write_facts
from apiserver.storage.embedded.errors import translated
from apiserver.storage.embedded.rows import COLUMNS, Row

ROWS_PER_COMMIT = 128
REVISIONS_PER_SLICE = 100  # cleaned at once between two commits: a few ms
LOG_BYTES_KEPT = 16 << 20


class Loaded(NamedTuple):
    """What stays in memory."""

    revision: int
    compacted: int
    keys: dict[str, int]  # every key that has a value, and its revision
    deadlines: list[tuple[float, str, int]]


class Writer:
    """The connection that writes."""

    def __init__(self, path: Path, quota_bytes: int = 0) -> None:
        self._path = path
        with translated(path):
            self._connection = connect(path)
        self._connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES_KEPT}")
        if quota_bytes:
            page = self._connection.execute("PRAGMA page_size").fetchone()[0]
            self._connection.execute(f"PRAGMA max_page_count = {max(1, quota_bytes // page)}")

    def load(self) -> Loaded:
        with translated(self._path):
            execute = self._connection.execute
            facts = read_facts(self._connection)
            newest = execute("SELECT MAX(revision) FROM kv").fetchone()[0] or 0
            versions = execute("SELECT key, MAX(revision), deleted FROM kv INDEXED BY kv_by_key GROUP BY key")
            keys = {key: revision for key, revision, deleted in versions if not deleted}
            rows = execute("SELECT expires, key, revision FROM kv WHERE expires IS NOT NULL").fetchall()
        deadlines = [row for row in rows if keys.get(row[1]) == row[2]]
        return Loaded(max(newest, facts.floor, facts.compacted), facts.compacted, keys, deadlines)

    def commit(self, rows: Sequence[Row]) -> None:
        """Make rows durable, all or none."""
        values = [column for row in rows for column in row.columns()]
        with translated(self._path):
            self._connection.execute(_insert(len(rows)), values)

    def mark_compacted(self, revision: int) -> None:
        with translated(self._path):
            facts = read_facts(self._connection)
            write_facts(self._connection, facts._replace(compacted=max(revision, facts.compacted)))

    def jump(self, floor: int) -> None:
        """Go on from `floor`, with everything before it compacted."""
        with translated(self._path):
            write_facts(self._connection, Facts(floor, floor, 0))

    def clean_slice(self) -> bool:
        """Delete some rows that compaction made unreachable; False when there are none left.

        What a row up to the compacted revision replaced is unreachable, and so is the row if it says "deleted".
        """
        with translated(self._path):
            execute = self._connection.execute
            facts = read_facts(self._connection)
            low = execute("SELECT MIN(revision) FROM kv WHERE revision > ?", (facts.cleaned,)).fetchone()[0]
            if low is None or low > facts.compacted:
                return False
            high = min(low + REVISIONS_PER_SLICE - 1, facts.compacted)
            execute("BEGIN")
            try:
                slice_ = "kv WHERE revision BETWEEN ? AND ?"
                execute(f"DELETE FROM kv WHERE revision IN (SELECT previous FROM {slice_})", (low, high))
                execute(f"DELETE FROM {slice_} AND deleted", (low, high))
                write_facts(self._connection, facts._replace(cleaned=high))
                execute("COMMIT")
            except BaseException:
                self.rollback()
                raise
            return True

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def restart_log(self) -> None:
        """Let the next commit begin the log anew, if all of it is in the file (almost all should be)."""
        with translated(self._path):
            self._connection.execute("PRAGMA busy_timeout = 0")
            self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
            self._connection.execute("PRAGMA busy_timeout = 10000")

    def close(self) -> None:
        self._connection.close()


def _insert(rows: int) -> str:
    return f"INSERT INTO kv ({COLUMNS}) VALUES " + ",".join(("(?,?,?,?,?,?,?)",) * rows)
