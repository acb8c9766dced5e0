"""What can be wrong with a data directory, each in one line that says what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apiserver.storage.embedded.rows import BrokenRow
from apiserver.storage.interface import Unavailable


class DirectoryInUse(Unavailable):
    """Another process has the directory open."""


class CorruptStore(Unavailable):
    """The file is not a store, or no longer what was written."""


class DiskFull(Unavailable):
    """No space left; nothing of the failed write has happened, and writing works again once there is space."""


class StoreBusy(Unavailable):
    """Another program holds SQLite's lock on the file; nothing of the write has happened."""


RECOVERABLE = (DiskFull, StoreBusy)


def again(error: BaseException) -> BaseException:
    """The error once more: several tasks must not raise the same one."""
    return type(error)(str(error)) if isinstance(error, Unavailable) else error


def corrupt(path: Path, why: object) -> CorruptStore:
    return CorruptStore(f"{path} is corrupt ({why}): restore a snapshot, or remove the data directory to start empty")


def no_space(path: Path) -> DiskFull:
    return DiskFull(f"no space left to write {path}: free some, or raise the quota")


def translate(error: sqlite3.Error, path: Path) -> Unavailable:
    """SQLite's error in our words."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None and isinstance(error, sqlite3.OperationalError):  # Python could not decode what it read
        return corrupt(path, error)
    match (code or 0) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return no_space(path)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return corrupt(path, error)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreBusy(f"another program holds a lock on {path}: end it")
    return Unavailable(f"{path}: {error}")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as e:
        raise translate(e, path) from e
    except BrokenRow as e:
        raise corrupt(path, e) from e
