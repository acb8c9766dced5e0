"""One process per data directory: a lock file that the kernel gives back when its owner dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from apiserver.storage.embedded.errors import DirectoryInUse


class DirectoryLock:
    """Holds `<directory>/lock` until released. The file names the owner, for the other's error message."""

    def __init__(self, directory: Path) -> None:
        self._fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.read(self._fd, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            message = f"{directory} is in use by process {owner}: stop it, or choose another data directory"
            raise DirectoryInUse(message) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        os.close(self._fd)
