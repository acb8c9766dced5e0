"""Snapshots: a copy of a running store in one file, and a store made from such a copy.

A restored store goes back in content but never in revisions: it jumps ahead of everything that the lost one can have
handed out, and its history before the jump counts as compacted. So informers get 410 and list anew.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from apiserver.storage.embedded.database import FILE, check_header, connect, discard, sync_directory
from apiserver.storage.embedded.errors import translated
from apiserver.storage.embedded.lock import DirectoryLock
from apiserver.storage.embedded.opening import os_errors
from apiserver.storage.embedded.reader import Reader
from apiserver.storage.embedded.writer import Writer
from apiserver.storage.interface import StorageError

# The lost store may have been ahead of the snapshot by this much; microseconds since 1970 serve as a second floor, so that
# restoring one snapshot twice gives two different jumps (a store cannot make a million revisions a second).
MIN_JUMP = 1_000_000_000


@contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """An empty file, private, that takes the target's name when the block ends well."""
    new = target.with_name(f"{target.name}.new")
    with os_errors(target):
        discard(new)
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        try:
            yield new
            with new.open("rb") as file:
                os.fsync(file.fileno())
            new.rename(target)
            sync_directory(target.parent)
        except BaseException:
            discard(new)
            raise


def restore(snapshot: Path, directory: Path, now: float) -> int:
    """Make the store in `directory` from a snapshot, in place of what is there; the revision it begins with. Blocking."""
    with os_errors(snapshot):
        check_header(snapshot)
    with os_errors(directory):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = DirectoryLock(directory)
    try:
        floor = max(_revision(directory / FILE) + 1, int(now * 1_000_000))
        with new_file(directory / FILE) as new:
            shutil.copyfile(snapshot, new)
            revision = _jump(new, floor)
            discard(directory / FILE)  # its log, above all, must not be applied to the new file
        return revision
    finally:
        lock.release()


def _revision(path: Path) -> int:
    """Where the store that is to be replaced stands, if it can still tell; it is left without a log."""
    if not path.exists():
        return 0
    try:
        check_header(path)
        with closing(Writer(path)) as writer:
            return writer.load().revision
    except StorageError:
        return 0


def _jump(path: Path, floor: int) -> int:
    with translated(path), closing(connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")  # a copy comes without
    with closing(Reader(path)) as reader:
        reader.check()
        reader.check_rows()
    with closing(Writer(path)) as writer:
        revision = max(writer.load().revision + MIN_JUMP, floor)
        writer.jump(revision)
    return revision
