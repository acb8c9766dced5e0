"""The one watch over etcd's whole key space that all watches of this process share.

Every revision arrives as an event, so none has to be asked for: the gateway cannot ask for progress on an open watch.
After a broken connection it goes on behind the last revision seen; where that is compacted, or etcd has been restored to
an older state, the readers are told and a new log begins.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from apiserver.storage.etcd import wire
from apiserver.storage.etcd.errors import RpcError, unavailable
from apiserver.storage.etcd.events import EventLog
from apiserver.storage.etcd.gateway import FIRST_DELAY, LONGEST_DELAY, Gateway
from apiserver.storage.interface import Compacted, Event, StorageError, Unavailable
from apiserver.storage.pull import Page, Signal

log = logging.getLogger(__name__)

COMPACT_KEY = wire.COMPACT_KEY.decode()
QUIET = 10.0  # seconds without a message until we ask whether there should have been one


class _Gone(Exception):
    """The watch cannot go on behind the last revision seen. `compacted` is what etcd says, or 0 when it went back."""

    def __init__(self, compacted: int) -> None:
        self.compacted = compacted


class Upstream:
    """Keeps `log` fed. `newest()` asks etcd for its revision."""

    def __init__(
        self,
        gateway: Gateway,
        keys: wire.KeySpace,
        ends: tuple[bytes, bytes],
        newest: Callable[[], Awaitable[int]],
        revision: int,
        compacted: int,
    ) -> None:
        self._gateway = gateway
        self._keys = keys
        self._ends = ends
        self._newest = newest
        self._changed = Signal()
        self.log = EventLog(revision, compacted, self._changed, self._catch_up)
        self.interruptions = 0
        self._opened = asyncio.Event()

    async def opened(self) -> None:
        """Wait for the first watch to stand. One that begins behind etcd's revision is served late, up to 100 ms, and a
        compaction ahead of it ends it; one that begins at the head is neither."""
        await self._opened.wait()

    async def run(self) -> None:
        """Feed the log until cancelled."""
        delay = FIRST_DELAY
        while True:
            before = self.log.revision
            try:
                await self._follow()
            except _Gone as gone:
                await self._begin_anew(gone.compacted)
            except (StorageError, TimeoutError) as e:
                self.interruptions += 1
                log.warning("the watch on etcd broke", extra={"error": str(e), "revision": self.log.revision})
                with contextlib.suppress(StorageError):
                    await self._newest()  # finds an endpoint that answers, and a token that is valid
            delay = FIRST_DELAY if self.log.revision > before else min(2 * delay, LONGEST_DELAY)
            await asyncio.sleep(delay)

    async def _follow(self) -> None:
        async with self._gateway.stream("/watch", wire.watch(self._ends, self.log.revision + 1)) as messages:
            while True:
                message = await self._next(messages)
                _check(message)
                if message.get("created"):
                    self._opened.set()
                    await self._check_age(wire.revision(message))
                else:
                    self._take(message)

    async def _check_age(self, revision: int) -> None:
        """A member of the cluster may be behind what we have seen; the cluster may not."""
        if revision < self.log.revision and await self._newest() < self.log.revision:
            raise _Gone(0)

    async def _next(self, messages: AsyncIterator[Any]) -> Any:
        """The next message; raises Unavailable when etcd has gone on and the stream has not."""
        behind = False
        while True:
            try:
                async with asyncio.timeout(QUIET):
                    return await anext(messages)
            except TimeoutError:
                if behind:
                    raise Unavailable("the watch stands still") from None
                behind = await self._newest() > self.log.revision

    def _take(self, message: Any) -> None:
        told = message.get("events")
        if not told:  # a progress notification: everything before has been sent
            self.log.extend((), wire.revision(message))
            return
        for change in told:
            if change["kv"]["key"] == COMPACT_KEY:
                self.log.compact(wire.number(change["kv"]))
        self.log.extend(*self._events(told))

    def _events(self, told: list[Any]) -> tuple[list[Event], int]:
        """The events that concern us, and the revision of the last of all."""
        events = [event for change in told if (event := wire.event(change, self._keys)) is not None]
        return events, int(told[-1]["kv"]["mod_revision"])

    async def _begin_anew(self, compacted: int) -> None:
        revision = await self._patiently_newest()
        ended, compacted = self.log, compacted or self.log.revision
        log.warning("the watch on etcd has a gap", extra={"behind": ended.revision, "now": revision})
        self.log = EventLog(revision, min(compacted, revision), self._changed, self._catch_up)
        ended.end(Compacted(compacted))

    async def _patiently_newest(self) -> int:
        while True:
            try:
                return await self._newest()
            except StorageError as e:
                log.warning("etcd does not answer", extra={"error": str(e)})
                await asyncio.sleep(LONGEST_DELAY)

    async def compacted(self, revision: int) -> int:
        """What etcd has compacted, given that `revision` is among it: a watch from there is told."""
        try:
            await self._past(revision - 1, revision, 1)
        except _Gone as gone:
            return gone.compacted
        return revision + 1  # not any more: the answer is as good as the question

    async def _catch_up(self, after: int, upto: int, limit: int) -> Page:
        """Events behind `after` and up to about `upto`, over a watch of its own."""
        delay = FIRST_DELAY
        while True:
            try:
                return await self._past(after, upto, limit)
            except _Gone as gone:
                raise Compacted(gone.compacted) from None
            except RpcError as e:
                if not e.is_temporary and not e.wants_token:
                    raise unavailable(e) from e
                log.warning("catching up with etcd broke", extra={"error": e.message, "after": after})
            except (Unavailable, TimeoutError) as e:
                log.warning("catching up with etcd broke", extra={"error": str(e), "after": after})
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)

    async def _past(self, after: int, upto: int, limit: int) -> Page:
        past: list[Event] = []
        reached = after
        async with self._gateway.stream("/watch", wire.watch(self._ends, after + 1)) as messages:
            while reached < upto and len(past) < limit:
                async with asyncio.timeout(QUIET):
                    message = await anext(messages)
                _check(message)
                if told := message.get("events"):
                    events, reached = self._events(told)
                    past += events
        return Page(past, reached)


def _check(message: Any) -> None:
    if not message.get("canceled"):
        return
    if compacted := int(message.get("compact_revision", 0)):
        raise _Gone(compacted)
    raise Unavailable(f"etcd ended the watch: {message.get('cancel_reason', 'without a reason')}")
