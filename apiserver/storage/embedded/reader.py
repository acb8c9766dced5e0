"""A connection that reads (and, from a thread of its own, checkpoints). Every row read is checked."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from apiserver.storage.embedded.database import connect, read_facts
from apiserver.storage.embedded.errors import corrupt, translated
from apiserver.storage.embedded.rows import COLUMNS, Row, parse
from apiserver.storage.interface import Compacted, KeyValue, ListResult
from apiserver.storage.keys import prefix_end

BYTES_PER_READ = 4 << 20  # of history read at once

# The newest version of each key of a range as of a revision, from the index alone.
_VERSIONS = """SELECT key, MAX(revision), deleted FROM kv INDEXED BY kv_by_key
               WHERE key >= ? AND key < ? AND revision <= ? GROUP BY key HAVING NOT deleted"""
_LIST = f"{_VERSIONS} ORDER BY key LIMIT ?"
_COUNT = f"SELECT COUNT(*) FROM ({_VERSIONS})"
_EVENTS = f"SELECT {COLUMNS} FROM kv WHERE revision > ? AND revision <= ? ORDER BY revision LIMIT ?"
_ROW = f"SELECT {COLUMNS} FROM kv WHERE revision = ?"


class History(NamedTuple):
    """Rows, those that they replaced, by revision, and the revision up to which that is everything."""

    rows: list[Row]
    replaced: dict[int, Row]
    upto: int


class Reader:
    """A connection that reads (and, from a thread of its own, checkpoints)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with translated(path):
            self._connection = connect(path)

    def row(self, revision: int) -> Row:
        with translated(self._path):
            columns = self._connection.execute(_ROW, (revision,)).fetchone()
            if columns is None:
                raise corrupt(self._path, f"revision {revision} is missing")
            return parse(columns)

    def list_range(self, prefix: str, start: str, limit: int, revision: int, newest: int) -> ListResult:
        """At `revision`, or (0) at `newest`, the newest revision that may be seen."""
        with translated(self._path), _Snapshot(self._connection) as compacted:
            if 0 < revision < compacted:
                raise Compacted(compacted)
            at = revision or max(newest, compacted)
            low, end = max(prefix, start), prefix_end(prefix)
            high: str | bytes = b"" if end is None else end  # any blob sorts behind any text
            found = self._connection.execute(_LIST, (low, high, at, limit or -1)).fetchall()
            items = [self._listed(key, version) for key, version, _ in found]
            remaining = 0
            if limit and len(items) == limit:
                behind = (items[-1].key + "\0", high, at)
                remaining = self._connection.execute(_COUNT, behind).fetchone()[0]
            return ListResult(items, at, remaining)

    def _listed(self, key: str, revision: int) -> KeyValue:
        row = self.row(revision)
        if row.key != key or row.deleted:
            raise corrupt(self._path, f"the index is wrong about revision {revision}")
        return row.item()

    def history(self, after: int, upto: int, limit: int) -> History:
        """At most `limit` rows behind `after`, up to `upto`; fewer when they are large."""
        with translated(self._path), _Snapshot(self._connection) as compacted:
            if after < compacted:
                raise Compacted(compacted)
            found: list[Row] = []
            replaced: dict[int, Row] = {}
            size = 0
            for columns in self._connection.execute(_EVENTS, (after, upto, limit)):
                row = parse(columns)
                found.append(row)
                if row.previous:
                    replaced[row.previous] = self.row(row.previous)
                size += len(row.value or b"") + len(replaced[row.previous].value or b"" if row.previous else b"")
                if size > BYTES_PER_READ:
                    return History(found, replaced, row.revision)
            return History(found, replaced, found[-1].revision if len(found) == limit else upto)

    def count(self) -> int:
        with translated(self._path):
            rows: int = self._connection.execute("SELECT COUNT(*) FROM kv").fetchone()[0]
            return rows

    def checkpoint(self) -> int:
        """Copy what is in the log into the file, as far as nobody has to wait; how many pages the log has."""
        with translated(self._path):
            pages: int = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
            return pages

    def check(self) -> None:
        """Read the whole file and verify its structure, but not the values; raises CorruptStore."""
        with translated(self._path):
            found = self._connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                raise corrupt(self._path, found.splitlines()[-1])

    def check_rows(self) -> None:
        with translated(self._path):
            for columns in self._connection.execute(f"SELECT {COLUMNS} FROM kv"):
                parse(columns)

    def copy_to(self, target: Path) -> None:
        """Write a compact copy, as of now, into an empty file."""
        with translated(target):
            self._connection.execute("VACUUM INTO ?", (str(target),))

    def interrupt(self) -> None:
        """Make what runs in the other thread end soon, with an error."""
        self._connection.interrupt()

    def close(self) -> None:
        self._connection.close()


class _Snapshot:
    """A read transaction; entering gives the revision compacted as of it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> int:
        self._connection.execute("BEGIN")
        try:
            return read_facts(self._connection).compacted
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
