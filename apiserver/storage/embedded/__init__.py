"""The embedded store: SQLite in WAL mode behind the Storage interface."""

from apiserver.storage.embedded.errors import CorruptStore, DirectoryInUse, DiskFull
from apiserver.storage.embedded.storage import EmbeddedStorage

__all__ = ["CorruptStore", "DirectoryInUse", "DiskFull", "EmbeddedStorage"]
