"""The file: an SQLite database in WAL mode with one row per revision.

    kv(revision, key, previous, deleted, expires, checksum, value)
    meta(name, value, checksum): Facts

All of this blocks; each connection belongs to one thread.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from pathlib import Path
from typing import NamedTuple

from apiserver.storage.embedded.errors import corrupt
from apiserver.storage.embedded.rows import BrokenRow
from apiserver.storage.interface import Unavailable

FILE = "store.db"
APPLICATION_ID = 0x706F636B  # "pock"
FORMAT = 1
FIRST_REVISION = 1  # of an empty store, as etcd: the first write is 2
CACHED_STATEMENTS = 256

_SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE kv (revision INTEGER PRIMARY KEY, key TEXT NOT NULL, previous INTEGER NOT NULL,
                 deleted INTEGER NOT NULL, expires REAL, checksum INTEGER NOT NULL, value BLOB);
CREATE INDEX kv_by_key ON kv (key, revision, deleted);
CREATE INDEX kv_by_expiry ON kv (expires, key) WHERE expires IS NOT NULL;
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID;
COMMIT;
"""


class Facts(NamedTuple):
    """The revisions that stand apart from the rows."""

    floor: int  # the store is at least here
    compacted: int
    cleaned: int  # up to here, what compaction made unreachable has been deleted


def read_facts(connection: sqlite3.Connection) -> Facts:
    """Raises BrokenRow."""
    rows = connection.execute("SELECT name, value, checksum FROM meta").fetchall()
    if sorted(row[0] for row in rows) != sorted(Facts._fields):
        raise BrokenRow("a revision is missing in meta")
    if broken := [name for name, value, checksum in rows if checksum != _checksum(name, value)]:
        raise BrokenRow(f"the {broken[0]} revision is damaged")
    return Facts(**{name: value for name, value, _ in rows})


def write_facts(connection: sqlite3.Connection, facts: Facts) -> None:
    rows = [(name, value, _checksum(name, value)) for name, value in facts._asdict().items()]
    values = [column for row in rows for column in row]
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?,?,?),(?,?,?),(?,?,?)", values)


def _checksum(name: str, value: object) -> int:
    return zlib.crc32(f"{name} {value}".encode())


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode that never creates the file and never checkpoints by itself."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False,
        cached_statements=CACHED_STATEMENTS, timeout=10,
    )  # fmt: skip
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
    except BaseException:
        connection.close()
        raise
    return connection


def create(directory: Path) -> None:
    """Make an empty store. It appears under its name only when it is whole: an empty file there is a torn one."""
    path, new = directory / FILE, directory / f"{FILE}.new"
    discard(new)
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    connection = connect(new)
    connection.executescript(_SCHEMA)
    write_facts(connection, Facts(FIRST_REVISION, 0, 0))
    connection.close()
    new.rename(path)
    sync_directory(directory)


def discard(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def wal_bytes(path: Path) -> int:
    try:
        return Path(f"{path}-wal").stat().st_size
    except FileNotFoundError:
        return 0


def check_header(path: Path) -> None:
    """Refuse what is plainly not a whole store: a foreign file, another format, one that was cut short."""
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        raise corrupt(path, "not a database, or cut short")
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise corrupt(path, "another program's database")
    if (found := int.from_bytes(header[60:64], "big")) != FORMAT:
        raise Unavailable(f"{path} has format {found}, this version reads {FORMAT}: use the version that wrote it")
    page = int.from_bytes(header[16:18], "big")
    expected = int.from_bytes(header[28:32], "big") * (65536 if page == 1 else page)
    # With a log beside it the file may be in the middle of a checkpoint; SQLite completes that.
    if not wal_bytes(path) and path.stat().st_size < expected:
        raise corrupt(path, f"cut short at {path.stat().st_size} of {expected} bytes")
