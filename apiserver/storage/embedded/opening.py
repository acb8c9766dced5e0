"""Opening a data directory: the lock, the file and its checks, the connections. Blocking."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from apiserver.storage.embedded.database import FILE, check_header, create, discard, wal_bytes
from apiserver.storage.embedded.errors import corrupt, no_space
from apiserver.storage.embedded.lock import DirectoryLock
from apiserver.storage.embedded.reader import Reader
from apiserver.storage.embedded.writer import Loaded, Writer
from apiserver.storage.interface import Unavailable

VERIFIED_AT_ONCE = 8 << 20  # bytes: some 20 ms; larger files are verified in the background


class Opened(NamedTuple):
    path: Path
    lock: DirectoryLock
    writer: Writer
    reader: Reader
    lookup: Reader
    loaded: Loaded
    verified: bool  # the structure of all of the file


def open_directory(directory: Path, quota_bytes: int) -> Opened:
    path = directory / FILE
    with os_errors(path):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = DirectoryLock(directory)
        try:
            return _open(path, lock, quota_bytes)
        except BaseException:
            lock.release()
            raise


def _open(path: Path, lock: DirectoryLock, quota_bytes: int) -> Opened:
    discard(path.with_name(f"{FILE}.new"))  # of a creation or a restore that was cut off
    if not path.exists():
        if wal_bytes(path):
            raise corrupt(path, "missing beside its log")
        create(path.parent)
    check_header(path)
    writer = Writer(path, quota_bytes)
    try:
        reader = Reader(path)
        if verified := path.stat().st_size + wal_bytes(path) <= VERIFIED_AT_ONCE:
            reader.check()
        return Opened(path, lock, writer, reader, Reader(path), writer.load(), verified)
    except BaseException:
        writer.close()
        raise


@contextmanager
def os_errors(path: Path) -> Iterator[None]:
    """The operating system's errors in our words."""
    try:
        yield
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise no_space(path) from e
        raise Unavailable(f"cannot open {path}: {e.strerror or e}") from e
