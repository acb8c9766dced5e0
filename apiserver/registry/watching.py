"""A watch: what was, then what is to come, written to one client's Sink.

[wait until the cacher has what was asked for] → [no await: take the past and register] → replay → live. Live events come
from the WatchHub straight to the Sink, without a task or a queue per watcher; while the past is still being written they
wait in a bounded backlog. A client that does not keep up is ended, never spared an event.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from apiserver.apimachinery.errors import StatusError, expired, internal_error
from apiserver.apimachinery.http import Frame, Sink
from apiserver.registry.context import Context
from apiserver.registry.list_options import ListOptions, parse_revision
from apiserver.registry.reading import Reader
from apiserver.registry.rendition import TABLE, Form
from apiserver.registry.resource import Resource
from apiserver.registry.selection import ADDED, DELETED, Selection
from apiserver.registry.watch_frames import EventWriter
from apiserver.registry.watch_hub import Channel, ChannelKey, WatchHub
from apiserver.storage.cacher import Cacher, Change, Record
from apiserver.storage.interface import Compacted, StorageError

log = logging.getLogger(__name__)

BUFFER_LIMIT = 8 << 20  # bytes a client may lag behind before its watch ends
CHECKED = 256 << 10  # bytes written between two looks at how far it lags
PIECE = 64 << 10  # bytes of replay written before waiting for the client
LONGEST = 10 * 365 * 86_400.0  # seconds: what a client may ask for a timer cannot always count
RESUMED = 10_000  # changes beyond the cacher's window that a watch may resume from


class Start(NamedTuple):
    """Where a watch begins: behind `after`; with everything that exists if `initial`."""

    after: int
    initial: bool


class Watching:
    """One watch. `run` writes it to a Sink until the client, the deadline or the server ends it."""

    __slots__ = (
        "_backlog",
        "_backlog_size",
        "_ended",
        "_hub",
        "_initial_end",
        "_key",
        "_live",
        "_selection",
        "_sink",
        "_start",
        "_task",
        "_timeout",
        "_unchecked",
        "_write",
        "after",
        "bookmarks",
        "channel",
        "deadline",
        "due",
        "error",
        "form",
        "header_due",
    )

    channel: Channel
    _write: Callable[[Frame], None]

    def __init__(
        self,
        hub: WatchHub,
        key: ChannelKey,
        selection: Selection,
        start: Start | StatusError,
        options: ListOptions,
        timeout: float,
    ) -> None:
        self._hub = hub
        self._key = key
        self._selection = selection
        self._start = start if isinstance(start, Start) else Start(0, False)
        self.error = start if isinstance(start, StatusError) else None
        self._timeout = timeout
        self._initial_end = options.is_watch_list
        self.form = key.form
        self.after = self._start.after
        self.bookmarks = options.allow_bookmarks
        self.header_due = key.form.kind == TABLE
        self.deadline = 0.0
        self.due = 0
        self._live = False
        self._ended = False
        self._backlog: deque[Frame] = deque()
        self._backlog_size = 0
        self._unchecked = 0
        self._sink: Sink | None = None
        self._task: asyncio.Task[None] | None = None

    async def run(self, sink: Sink) -> None:
        """Write events until the watch is over. Cancellation from outside passes through."""
        self._sink = sink
        self._write = sink.write
        self._task = asyncio.current_task()
        try:
            await self._run(sink)
        except asyncio.CancelledError:
            if not self._ended or self._task is None:
                raise
            self._task.uncancel()
        except ConnectionResetError:
            pass
        finally:
            self._ended = True
            self._live = False
            self._task = None
            if hasattr(self, "channel"):
                self._hub.forget(self)
            self._backlog.clear()

    def send(self, frame: Frame) -> None:
        """Take bytes from the hub: written at once, or behind what is still being replayed."""
        if not self._live:
            self._keep(frame)
            return
        try:
            self._write(frame)
            self._unchecked += len(frame.payload)
            if self._unchecked > CHECKED:
                self._check_lag()
        except Exception as e:
            log.warning("a watch ends: it cannot be written to", exc_info=e)
            self.end()

    def _keep(self, frame: Frame) -> None:
        if self._ended:
            return
        self._backlog.append(frame)
        self._backlog_size += len(frame.payload)
        if self._backlog_size > BUFFER_LIMIT:
            self.end()

    def _check_lag(self) -> None:
        """Looked at once in a while: asking the transport costs as much as writing to it."""
        self._unchecked = 0
        if self._sink is not None and self._sink.buffered() > BUFFER_LIMIT:
            log.info("a watch ends: its client does not keep up", extra={"buffered": self._sink.buffered()})
            self.end()

    def end(self) -> None:
        """Finish the stream in good order."""
        if self._ended:
            return
        self._ended = True
        self._live = False
        self._hub.forget(self)
        if self._task is not None:
            self._task.cancel()

    async def _run(self, sink: Sink) -> None:
        try:
            if self.error is not None:
                raise self.error
            older, position = await self._older()
        except StatusError as e:
            sink.write(Frame.of(self._hub.writer.error(e)))
            return
        if self._hub.closed or not self._hub.cacher.ready or self._timeout < 0:
            return
        # No await from here to register(): events must not slip between.
        past = self._past(older, position)
        self.deadline = asyncio.get_running_loop().time() + self._timeout
        self._hub.register(self, self._key, self._selection)
        await self._replay(sink, past)
        await self._catch_up(sink)
        await sink.wait_closed()

    # The past.

    async def _older(self) -> tuple[list[Change], int]:
        """What a resumed watch needs that is older than the cacher's window, and up to where; 410 when it is gone."""
        cacher = self._hub.cacher
        older: list[Change] = []
        position = self._start.after
        while not self._start.initial and position < cacher.floor:
            try:
                found, position = await cacher.replay(position, RESUMED)
            except Compacted as e:
                raise expired(f"too old resource version: {self._start.after} ({cacher.floor})") from e
            except StorageError as e:
                raise internal_error(str(e)) from e
            older += found
        return older, position

    def _past(self, older: list[Change], position: int) -> Iterator[bytes]:
        """The events that come first. Takes its snapshot now, renders as it goes."""
        cacher = self._hub.cacher
        if not self._start.initial:
            changes = older + cacher.changes_since(position)
            self.after = max(self.after, cacher.revision)
            return self._past_changes(changes)
        snapshot = cacher.snapshot()
        self.after = max(self.after, snapshot.revision)
        return self._initial_events(self._selection.among(snapshot), snapshot.revision)

    def _initial_events(self, records: Sequence[Record], revision: int) -> Iterator[bytes]:
        """Everything there is as ADDED, and where it was asked for, a bookmark that says that this was all."""
        writer, form = self._hub.writer, self.form
        for record in records:
            yield writer.event(ADDED, record, form, header=self._take_header())
        if self._initial_end:
            yield writer.bookmark(revision, form, initial_end=True, header=self._take_header())

    def _past_changes(self, changes: Sequence[Change]) -> Iterator[bytes]:
        selection = self._selection
        for change in changes:
            kind = selection.transition(change)
            if kind is None:
                continue
            record = change.shown if kind == DELETED else change.subject
            yield self._hub.writer.event(kind, record, self.form, header=self._take_header())

    def _take_header(self) -> bool:
        due, self.header_due = self.header_due, False
        return due

    async def _replay(self, sink: Sink, events: Iterator[bytes]) -> None:
        """Write in pieces, waiting for the client and letting others have the loop in between."""
        group: list[bytes] = []
        size = 0
        for event in events:
            group.append(event)
            size += len(event)
            if size >= PIECE:
                sink.write(Frame.of(b"".join(group)))
                group, size = [], 0
                await sink.drain()
                await asyncio.sleep(0)
        if group:
            sink.write(Frame.of(b"".join(group)))

    async def _catch_up(self, sink: Sink) -> None:
        """Write what came during the replay; live from the moment nothing is left."""
        while self._backlog:
            frame = self._backlog.popleft()
            self._backlog_size -= len(frame.payload)
            sink.write(frame)
            await sink.drain()
        self._live = True


class Watches:
    """Opens the watches of one resource."""

    def __init__(self, resource: Resource, cacher: Cacher, reader: Reader, writer: EventWriter) -> None:
        self._resource = resource
        self._cacher = cacher
        self._reader = reader
        self.hub = WatchHub(resource, cacher, writer)

    async def open(self, ctx: Context, options: ListOptions, form: Form, *, min_timeout: float = 1800.0) -> Watching:
        """A watch, ready to `run`. Raises what upstream refuses with a status; what fails later is an ERROR event."""
        selection = Selection(self._resource, ctx.namespace, options.label_selector, options.field_selector)
        revision = parse_revision(options.resource_version)
        if not self._cacher.ready:
            raise self._reader.unready()
        timeout = options.timeout_seconds or min_timeout * (1.0 + ctx.rand.random())
        timeout = min(timeout, LONGEST)
        key = ChannelKey(selection.namespace, options.label_selector.text, options.field_selector.text, form)
        try:
            start: Start | StatusError = await self._start(options, revision)
        except StorageError as e:
            start = self._reader.error(e, "watch")
        return Watching(self.hub, key, selection, start, options, timeout)

    async def _start(self, options: ListOptions, revision: int) -> Start:
        """Where to begin, once the cacher has seen what the options require (upstream cacher.go Watch)."""
        initial = options.send_initial_events
        if initial is None:
            return Start(revision, revision == 0)
        if not options.resource_version:
            revision = await self._cacher.current_revision()
        if initial:
            await self._cacher.wait_until(revision)
        return Start(revision or self._cacher.revision, initial)

    def close(self) -> None:
        """The resource is served no more, or in another form: every watch ends."""
        self.hub.close()
