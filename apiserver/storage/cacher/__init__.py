"""Storage answered from memory: `Cachers` runs one watch over everything and feeds one `Cacher` per prefix."""

from apiserver.storage.cacher.cacher import Cacher, Listener, MakeRecord
from apiserver.storage.cacher.cachers import Cachers
from apiserver.storage.cacher.record import Change, Record
from apiserver.storage.cacher.snapshot import Snapshot

__all__ = ["Cacher", "Cachers", "Change", "Listener", "MakeRecord", "Record", "Snapshot"]
