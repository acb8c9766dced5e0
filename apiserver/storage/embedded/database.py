"""The file: an SQLite database in WAL mode with one row per revision.

    kv(revision, key, previous, deleted, expires, checksum, value)      meta(name, value): floor, compacted, cleaned

All of this blocks; each connection belongs to one thread.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from apiserver.storage.embedded.errors import corrupt
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
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('floor', {FIRST_REVISION}), ('compacted', 0), ('cleaned', 0);
COMMIT;
"""


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
