"""Storage: compare-and-swap and history over keys and bytes, nothing more.

One monotonic revision covers the whole store. Keys are text and sort by code point (which is UTF-8's byte order);
values are opaque bytes. Every backend is a line of BACKENDS (storage/tests/backends.py) and passes
`storage/tests/test_contract.py`: that is its definition of done.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple, Protocol


class KeyValue(NamedTuple):
    """A key's value as of `revision`, the revision that wrote it."""

    key: str
    value: bytes
    revision: int
    stale: bool = False  # to be written again even if the value stays: it is stored in an outdated form (transform.py)


class GetResult(NamedTuple):
    """A read of one key. `item` is None when absent; `revision` is the store's revision at the read."""

    item: KeyValue | None
    revision: int


class ListResult(NamedTuple):
    """Items in key order. `remaining` counts the keys of the range behind the last item; 0 means complete."""

    items: list[KeyValue]
    revision: int
    remaining: int


PUT, DELETE, PROGRESS = "PUT", "DELETE", "PROGRESS"


class Event(NamedTuple):
    """One change. `value` is None for DELETE; `previous` is the value before (None when there was none).

    PROGRESS carries only `revision`: every event up to and including it has been delivered.
    """

    type: str
    key: str
    revision: int
    value: bytes | None
    previous: bytes | None
    previous_revision: int
    stale: bool = False  # as KeyValue.stale, of `value`


class StorageError(Exception):
    """Base of what a Storage raises on purpose."""


class KeyNotFound(StorageError):
    """The key does not exist (a delete, or a put that expects a revision)."""

    def __init__(self, key: str) -> None:
        super().__init__(f"key not found: {key}")
        self.key = key


class KeyExists(StorageError):
    """A put that expects absence met a value."""

    def __init__(self, key: str) -> None:
        super().__init__(f"key exists: {key}")
        self.key = key


class Conflict(StorageError):
    """The key's revision is not the expected one. `current` is what stands there now."""

    def __init__(self, key: str, expected: int, current: KeyValue) -> None:
        super().__init__(f"conflict on {key}: expected revision {expected}, found {current.revision}")
        self.key = key
        self.expected = expected
        self.current = current


class Compacted(StorageError):
    """The asked revision is no longer kept. `compacted` is the newest revision that is gone."""

    def __init__(self, compacted: int) -> None:
        super().__init__(f"required revision has been compacted (up to {compacted})")
        self.compacted = compacted


class FutureRevision(StorageError):
    """The asked revision has not happened yet."""

    def __init__(self, asked: int, current: int) -> None:
        super().__init__(f"revision {asked} is in the future (now {current})")
        self.asked = asked
        self.current = current


class Unavailable(StorageError):
    """The store cannot answer now; the message says why. The outcome of a write may be unknown."""


class Watch(Protocol):
    """An open watch: an async iterator over batches of events in revision order, each batch non-empty.

    Raises Compacted when it cannot go on without a gap, Unavailable when the store is lost for good.
    """

    def __aiter__(self) -> AsyncIterator[list[Event]]: ...

    async def aclose(self) -> None: ...


class Storage(Protocol):
    """The seam all backends share. All revisions given must be > 0 where not said otherwise."""

    async def get(self, key: str) -> GetResult: ...

    async def list(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> ListResult:
        """Keys that begin with `prefix` and are >= `start`, at most `limit` (0: all), as of `revision` (0: now).

        Raises Compacted or FutureRevision.
        """
        ...

    async def put(self, key: str, value: bytes, *, expected: int | None, ttl: float | None = None) -> int:
        """Write and return the new revision, after it is durable.

        `expected`: 0 means the key must be absent (KeyExists), N means its revision must be N (Conflict, KeyNotFound),
        None writes in any case. `ttl` in seconds from now; a later put without ttl removes it. Expiry is a DELETE with
        a revision of its own.
        """
        ...

    async def delete(self, key: str, *, expected: int | None) -> int:
        """Remove and return the new revision. Raises KeyNotFound, or Conflict where `expected` is not its revision."""
        ...

    def watch(self, prefix: str, *, after: int) -> Watch:
        """Every event of the prefix with a revision > `after` (0: from now on), once, in order.

        PROGRESS events tell of revisions that did not touch the prefix, soon after they happen.
        """
        ...

    async def current_revision(self) -> int: ...

    async def compacted_revision(self) -> int:
        """The newest revision whose history is gone; 0 when nothing was compacted."""
        ...

    async def compact(self, revision: int) -> None:
        """Forget history up to and including `revision` (values that are current at it stay readable)."""
        ...

    async def ready(self) -> None:
        """Return when the store answers; raises Unavailable with the reason."""
        ...

    def stats(self) -> dict[str, Any]:
        """Figures for /metrics: revision, keys, bytes, queue lengths, whatever the backend knows."""
        ...

    async def close(self) -> None: ...
