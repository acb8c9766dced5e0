"""EtcdStorage: a Storage over etcd's v3 JSON gateway, beside which a kube-apiserver may work on the same data."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.storage.etcd import wire
from apiserver.storage.etcd.errors import NOT_FOUND, PERMISSION_DENIED, RpcError, unavailable
from apiserver.storage.etcd.leases import Leases
from apiserver.storage.etcd.upstream import Upstream
from apiserver.storage.interface import (
    Compacted,
    Conflict,
    FutureRevision,
    GetResult,
    KeyExists,
    KeyNotFound,
    KeyValue,
    ListResult,
    StorageError,
    Unavailable,
    Watch,
)
from apiserver.storage.pull import PullWatch

if TYPE_CHECKING:
    from apiserver.storage.etcd.gateway import Gateway
    from apiserver.storage.etcd.tls import TLS

log = logging.getLogger(__name__)

PAGE = 200  # keys asked for at once: about 2 MB, which takes 2 ms to read
READY_TIMEOUT = 2.0  # seconds, as upstream's --etcd-readycheck-timeout
MARKER = "/pocketkube.io/progress"  # under the prefix


class EtcdStorage:
    """Make it with `connect`."""

    def __init__(self, gateway: Gateway, keys: wire.KeySpace, clock: Clock) -> None:
        self._gateway = gateway
        self._keys = keys
        self._leases = Leases(gateway, clock)
        self._tasks = TaskOwner("etcd storage")
        self._known = 0  # the newest revision that any answer spoke of
        self._restricted = False  # our rights cover only the prefix
        self._compactions = 0  # how often compact_rev_key had been written when we last looked
        self._closed = False
        self._begun: Upstream | None = None

    @classmethod
    async def connect(
        cls,
        endpoints: Sequence[str],
        clock: Clock,
        *,
        prefix: str = wire.PREFIX,
        tls: TLS | None = None,
        user: str = "",
        password: str = "",
        timeout: float = 10.0,
    ) -> EtcdStorage:
        """Connect to one cluster; raises Unavailable. `timeout` (seconds) holds for each call, with its repetitions."""
        try:
            from apiserver.storage.etcd.gateway import Gateway
        except ImportError as e:
            raise Unavailable(f"etcd needs the extra: pip install 'pocketkube[etcd]' ({e})") from e
        gateway = Gateway(endpoints, tls=tls, user=user, password=password, timeout=timeout)
        storage = cls(gateway, wire.KeySpace(prefix), clock)
        try:
            await storage._begin()
            await storage._watching(timeout)
        except BaseException:
            await storage.close()
            raise
        return storage

    async def _begin(self) -> None:
        try:
            await self._rpc("/kv/range", wire.list_range((wire.LOWEST, wire.LOWEST), 1, 0, keys_only=True))
        except RpcError as e:
            if e.code != PERMISSION_DENIED:
                raise unavailable(e) from e
            self._restricted = True
        compacted, self._compactions = await self._compaction()
        ends = self._keys.range(wire.PREFIX + "/") if self._restricted else (wire.LOWEST, wire.LOWEST)
        revision = await self.current_revision()
        self._begun = Upstream(self._gateway, self._keys, ends, self.current_revision, revision, compacted)
        self._tasks.create_task(self._begun.run(), name="watch")

    async def _watching(self, timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                await self._upstream.opened()
        except TimeoutError:
            raise Unavailable(f"etcd at {self._gateway.endpoint} does not open a watch within {timeout:g} s") from None

    @property
    def _upstream(self) -> Upstream:
        assert self._begun is not None  # by `connect`
        return self._begun

    # Reading.

    async def get(self, key: str) -> GetResult:
        answer = await self._call("/kv/range", wire.get(self._keys.encode(key)))
        kvs = answer.get("kvs")
        return GetResult(wire.item(kvs[0], key) if kvs else None, wire.revision(answer))

    async def list(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> ListResult:
        while True:
            try:
                return await self._list(self._keys.range(prefix, start), limit, revision)
            except RpcError as e:
                if e.is_future:
                    raise FutureRevision(revision, await self.current_revision()) from e
                if not e.is_compacted:
                    raise unavailable(e) from e
                if revision:
                    raise Compacted(await self._compacted_behind(revision)) from e
                # Compaction has overtaken the pages of a list of now: there is a newer now.

    async def _list(self, ends: tuple[bytes, bytes], limit: int, revision: int) -> ListResult:
        items: list[KeyValue] = []
        while True:
            wanted = min(PAGE, limit - len(items)) if limit else PAGE
            answer = await self._rpc("/kv/range", wire.list_range(ends, wanted, revision))
            revision = revision or wire.revision(answer)
            kvs = answer.get("kvs", ())
            items += wire.items(answer, self._keys)
            remaining = int(answer.get("count", 0)) - len(kvs)
            if remaining <= 0 or (limit and len(items) >= limit):
                return ListResult(items, revision, max(0, remaining))
            ends = wire.behind(kvs[-1]), ends[1]

    def watch(self, prefix: str, *, after: int) -> Watch:
        return PullWatch(self._upstream.log, prefix, after or max(self._known, self._upstream.log.revision))

    async def current_revision(self) -> int:
        if not self._restricted:
            return wire.revision(await self._call("/kv/range", wire.get(self._keys.encode(wire.PREFIX))))
        # A write of others outside the prefix raises the revision unseen. This one is seen, and no older than now.
        marker = wire.put(self._keys.encode(wire.PREFIX + MARKER), b"", 0)
        return wire.revision(await self._call("/kv/put", marker))

    # Writing.

    async def put(self, key: str, value: bytes, *, expected: int | None, ttl: float | None = None) -> int:
        lease = await self._lease(ttl)
        try:
            return await self._put(key, value, expected, lease)
        except RpcError as e:
            if not lease or e.code != NOT_FOUND:
                raise unavailable(e) from e
        self._leases.forget(lease)  # it ended between the two calls
        try:
            return await self._put(key, value, expected, await self._lease(ttl))
        except RpcError as e:
            raise unavailable(e) from e

    async def _put(self, key: str, value: bytes, expected: int | None, lease: int) -> int:
        encoded = self._keys.encode(key)
        if expected is None:
            return wire.revision(await self._rpc("/kv/put", wire.put(encoded, value, lease), repeatable=False))
        operation = wire.put_operation(encoded, value, lease)
        answer = await self._rpc("/kv/txn", wire.swap(encoded, expected, operation, expected > 0), repeatable=False)
        if not answer.get("succeeded"):
            raise KeyExists(key) if expected == 0 else _mismatch(answer, key, expected)
        return wire.revision(answer)

    async def delete(self, key: str, *, expected: int | None) -> int:
        encoded = self._keys.encode(key)
        if expected is None:
            answer = await self._call("/kv/deleterange", wire.delete(encoded), repeatable=False)
            if not int(answer.get("deleted", 0)):
                raise KeyNotFound(key)
            return wire.revision(answer)
        swap = wire.swap(encoded, expected, wire.delete_operation(encoded), show=True)
        answer = await self._call("/kv/txn", swap, repeatable=False)
        if not answer.get("succeeded"):
            raise _mismatch(answer, key, expected)
        return wire.revision(answer)

    async def _lease(self, ttl: float | None) -> int:
        if ttl is None:
            return 0
        self._check_open()
        try:
            return await self._leases.lease(ttl)
        except RpcError as e:
            raise unavailable(e) from e

    # Compaction.

    async def compacted_revision(self) -> int:
        compacted, _ = await self._compaction()
        return max(compacted, self._upstream.log.compacted)

    async def compact(self, revision: int) -> None:
        """As upstream's compactor: whoever writes compact_rev_key first compacts, the others wait for their next time."""
        if revision <= self._upstream.log.compacted:
            return
        if revision > (current := await self.current_revision()):
            raise FutureRevision(revision, current)
        if not self._restricted and not await self._is_my_turn(revision):
            return
        try:
            await self._rpc("/kv/compaction", wire.compact(revision))
        except RpcError as e:
            if not e.is_compacted:
                raise unavailable(e) from e
        self._upstream.log.compact(revision)

    async def _is_my_turn(self, revision: int) -> bool:
        swap = wire.swap_version(wire.COMPACT_KEY, self._compactions, str(revision).encode())
        answer = await self._call("/kv/txn", swap, repeatable=False)
        if answer.get("succeeded"):
            self._compactions += 1
            return True
        kv = wire.found(answer)
        self._compactions = int(kv["version"]) if kv else 0
        log.info("another server compacts etcd", extra={"revision": wire.number(kv) if kv else 0})
        return False

    async def _compaction(self) -> tuple[int, int]:
        """What compact_rev_key says, and how often it was written."""
        if self._restricted:
            return 0, 0
        kvs = (await self._call("/kv/range", wire.get(wire.COMPACT_KEY))).get("kvs")
        return (wire.number(kvs[0]), int(kvs[0]["version"])) if kvs else (0, 0)

    async def _compacted_behind(self, revision: int) -> int:
        """The newest compacted revision, which is behind `revision`; etcd may have compacted on its own."""
        known = await self.compacted_revision()
        return known if known > revision else await self._upstream.compacted(revision)

    # Health.

    async def ready(self) -> None:
        try:
            async with asyncio.timeout(READY_TIMEOUT):
                await self._call("/kv/range", wire.get(self._keys.encode(wire.PREFIX)), repeatable=False)
        except TimeoutError:
            raise Unavailable(f"etcd at {self._gateway.endpoint} does not answer within {READY_TIMEOUT:g} s") from None

    def stats(self) -> dict[str, Any]:
        return {
            "revision": max(self._known, self._upstream.log.revision),
            "compacted_revision": self._upstream.log.compacted,
            "endpoint": self._gateway.endpoint,
            "calls": self._gateway.calls,
            "failures": self._gateway.failures,
            "interrupted_watches": self._upstream.interruptions,
            "events": len(self._upstream.log),
            "leases": self._leases.granted,
            "waiting_watches": len(self._upstream.log.changed),
        }

    async def close(self) -> None:
        self._closed = True
        await self._tasks.close()
        if self._begun is not None:
            self._begun.log.end(Unavailable("the connection to etcd is closed"))
        await self._gateway.close()

    # Calls.

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the connection to etcd is closed")

    async def _rpc(self, method: str, body: bytes, *, repeatable: bool = True) -> Any:
        """Raises RpcError, for who knows what to make of it."""
        self._check_open()
        answer = await self._gateway.call(method, body, repeatable=repeatable)
        self._known = max(self._known, wire.revision(answer))
        return answer

    async def _call(self, method: str, body: bytes, *, repeatable: bool = True) -> Any:
        try:
            return await self._rpc(method, body, repeatable=repeatable)
        except RpcError as e:
            raise unavailable(e) from e


def _mismatch(answer: Any, key: str, expected: int) -> StorageError:
    kv = wire.found(answer)
    return KeyNotFound(key) if kv is None else Conflict(key, expected, wire.item(kv, key))
