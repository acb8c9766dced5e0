"""WatchHub: carries the changes of one resource to all who watch it.

Watchers who see the same thing (scope, selectors, form) share a Channel: what goes to it is selected and rendered once, and
the same bytes are written to each. Channels are indexed by name, namespace and the resource's `watch_index`, so that an
event costs those it interests. An idle hub writes at once; a busy one gathers changes for some milliseconds, and writes in
slices so as not to hold the loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple, Protocol

from apiserver.apimachinery.http import Frame
from apiserver.registry.rendition import TABLE, Form
from apiserver.registry.resource import Resource
from apiserver.registry.selection import DELETED, Selection
from apiserver.registry.watch_frames import EventWriter
from apiserver.storage.cacher import Cacher, Change, Record, Snapshot

log = logging.getLogger(__name__)

SLICE = 100  # watchers written to before others get the loop
SHORTEST, LONGEST = 0.001, 0.005  # seconds between two flushes when busy, for few and for many watchers
PER_WATCHER = 1e-5  # 3 ms for 200 watchers, 5 ms for 1,000: past that latency grows faster than the saving

BOOKMARK_PERIOD = 60.0  # as upstream's defaultBookmarkFrequency
STALE = 1000  # times of watchers that are gone, kept until it pays to sort them out
BEFORE_END = 2.0  # seconds before its timeout a watch gets a bookmark


class Watcher(Protocol):
    """One open watch, as the hub sees it."""

    after: int  # changes up to here it has, or does not want
    bookmarks: bool
    header_due: bool  # a table watch that has not sent its columns yet
    channel: Channel
    deadline: float  # by the loop's time
    due: int  # the hub's number of its next bookmark or timeout

    def send(self, frame: Frame) -> None:
        """Pass bytes on; never blocks, never raises."""
        ...

    def end(self) -> None:
        """The watch is over; it unregisters itself."""
        ...


class Channel:
    """What some watchers have in common."""

    __slots__ = ("form", "key", "scope", "selection", "watchers")

    def __init__(self, key: ChannelKey, selection: Selection, form: Form) -> None:
        self.key = key
        self.selection = selection
        self.form = form
        self.scope = (selection.namespace, selection.name)
        self.watchers: dict[Watcher, None] = {}


class ChannelKey(NamedTuple):
    """Watchers with an equal key share a Channel."""

    namespace: str
    labels: str
    fields: str
    form: Form


class _Batch:
    """Changes on their way out, and what was rendered of them."""

    def __init__(self, writer: EventWriter, changes: Sequence[Change]) -> None:
        self._writer = writer
        self._changes = changes
        self._deleted: dict[int, Record] = {}
        self._events: dict[tuple[int, str, Form], bytes] = {}
        self._frames: dict[tuple[Form, tuple[tuple[int, str], ...]], Frame] = {}

    def frame(self, form: Form, events: tuple[tuple[int, str], ...]) -> Frame:
        """Some events of the batch as one piece of stream."""
        key = (form, events)
        found = self._frames.get(key)
        if found is None:
            payload = (
                self._event(form, events[0]) if len(events) == 1 else b"".join([self._event(form, e) for e in events])
            )
            found = self._frames[key] = Frame.of(payload)
        return found

    def first_with_header(self, form: Form, events: Sequence[tuple[int, str]]) -> Frame:
        """The same for a table watcher that has had no event yet."""
        number, kind = events[0]
        first = self._writer.event(kind, self._record(number, kind), form, header=True)
        return Frame.of(first + b"".join([self._event(form, e) for e in events[1:]]))

    def _event(self, form: Form, event: tuple[int, str]) -> bytes:
        number, kind = event
        key = (number, kind, form)
        found = self._events.get(key)
        if found is None:
            found = self._events[key] = self._writer.event(kind, self._record(number, kind), form)
        return found

    def _record(self, number: int, kind: str) -> Record:
        change = self._changes[number]
        if kind != DELETED:
            return change.subject
        found = self._deleted.get(number)
        if found is None:
            found = self._deleted[number] = change.shown
        return found


class WatchHub:
    """All watches of one resource."""

    def __init__(self, resource: Resource, cacher: Cacher, writer: EventWriter) -> None:
        self.cacher = cacher
        self.writer = writer
        self._index_at = list(resource.selectable).index(resource.watch_index) if resource.watch_index else -1
        self._channels: dict[ChannelKey, Channel] = {}
        self._scopes: dict[tuple[str, str], dict[Channel, None]] = {}
        self._values: dict[str, dict[Channel, None]] = {}
        self._count = 0
        self._pending: list[Change] = []
        self._busy = False  # a flush is scheduled or under way
        self._last_flush = -1.0
        self._due: list[tuple[float, int]] = []  # bookmarks and timeouts, the next one first: when, and its number
        self._due_number = 0
        self._scheduled: dict[int, Watcher] = {}  # by number; who is forgotten must not be kept until its time
        self._timer: asyncio.TimerHandle | None = None
        self._unsubscribe = cacher.subscribe(self)
        self.closed = False

    def __len__(self) -> int:
        return self._count

    # Registration.

    def register(self, watcher: Watcher, key: ChannelKey, selection: Selection) -> None:
        """Send the watcher every change after `watcher.after` from now on."""
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = Channel(key, selection, key.form)
            self._bucket(channel)[channel] = None
        channel.watchers[watcher] = None
        watcher.channel = channel
        self._count += 1
        now = asyncio.get_running_loop().time()
        self._schedule(watcher, self._first_due(watcher, now))

    def forget(self, watcher: Watcher) -> None:
        """Send it nothing more."""
        channel = watcher.channel
        if watcher not in channel.watchers:
            return
        del channel.watchers[watcher]
        self._count -= 1
        self._scheduled.pop(watcher.due, None)
        if len(self._due) > STALE + 2 * self._count:
            self._due[:] = [entry for entry in self._due if entry[1] in self._scheduled]
            heapify(self._due)
        if not channel.watchers:
            bucket = self._bucket(channel)
            bucket.pop(channel, None)
            if not bucket:
                self._buckets(channel).pop(self._bucket_key(channel), None)
            del self._channels[channel.key]

    def close(self) -> None:
        """The resource is served no more: every watch ends."""
        self.closed = True
        self._unsubscribe()
        self._end_all()
        if self._timer is not None:
            self._timer.cancel()

    def _buckets(self, channel: Channel) -> dict[object, dict[Channel, None]]:
        return self._scopes if channel.selection.index is None else self._values  # type: ignore[return-value]

    def _bucket_key(self, channel: Channel) -> object:
        return channel.scope if channel.selection.index is None else channel.selection.index

    def _bucket(self, channel: Channel) -> dict[Channel, None]:
        return self._buckets(channel).setdefault(self._bucket_key(channel), {})

    def _end_all(self) -> None:
        self._pending.clear()
        for channel in list(self._channels.values()):
            for watcher in list(channel.watchers):
                watcher.end()

    # Changes.

    def on_reset(self, before: Snapshot, after: Snapshot | None) -> None:
        """Changes may have been missed: who watched has to come back."""
        self._end_all()

    def on_change(self, change: Change) -> None:
        if not self._count:
            return
        self._pending.append(change)
        if not self._busy:
            self._busy = True
            self._schedule_flush()

    def _schedule_flush(self) -> None:
        loop = asyncio.get_running_loop()
        window = min(LONGEST, SHORTEST + PER_WATCHER * self._count)
        if loop.time() >= self._last_flush + window:
            loop.call_soon(self._flush)
        else:
            loop.call_at(self._last_flush + window, self._flush)

    def _flush(self) -> None:
        changes, self._pending = self._pending, []
        per_channel: dict[Channel, list[tuple[int, str]]] = {}
        for number, change in enumerate(changes):
            for channel in self._interested(change):
                kind = channel.selection.transition(change)
                if kind is not None:
                    per_channel.setdefault(channel, []).append((number, kind))
        self._write_out(self._deliveries(changes, per_channel))

    def _interested(self, change: Change) -> Iterator[Channel]:
        """The channels whose scope, or whose value of the index, the change touches."""
        subject = change.subject
        namespace, name = subject.namespace, subject.name
        scopes = self._scopes
        for scope in (
            ((namespace, name), (namespace, ""), ("", name), ("", "")) if namespace else (("", name), ("", ""))
        ):
            found = scopes.get(scope)
            if found:
                yield from found
        if self._values:
            at = self._index_at
            values = {r.fields[at]: None for r in (change.record, change.previous) if r is not None}
            for value in values:
                yield from self._values.get(value, ())

    def _deliveries(self, changes: list[Change], per_channel: dict[Channel, list[tuple[int, str]]]) -> Iterator[int]:
        """Write everything to everyone, a slice of watchers at each step; yields how many that were.

        Who came after this began is not among them: what they begin with has it all.
        """
        batch = _Batch(self.writer, changes)
        work = [(channel, list(channel.watchers), tuple(events)) for channel, events in per_channel.items()]
        for channel, watchers, events in work:
            oldest = changes[events[0][0]].revision
            frame = batch.frame(channel.form, events) if channel.form.kind != TABLE else None
            for begin in range(0, len(watchers), SLICE):
                part = watchers[begin : begin + SLICE]
                for watcher in part:
                    if frame is not None and watcher.after < oldest:
                        watcher.send(frame)
                    elif (special := self._special(batch, changes, watcher, events)) is not None:
                        watcher.send(special)
                yield len(part)

    def _special(
        self, batch: _Batch, changes: Sequence[Change], watcher: Watcher, events: tuple[tuple[int, str], ...]
    ) -> Frame | None:
        """For a watcher that has some of the events already, or needs a table's columns."""
        events = tuple([event for event in events if changes[event[0]].revision > watcher.after])
        if not events:
            return None
        if watcher.header_due:
            watcher.header_due = False
            return batch.first_with_header(watcher.channel.form, events)
        return batch.frame(watcher.channel.form, events)

    def _write_out(self, deliveries: Iterator[int]) -> None:
        """Write some, and the rest in the loop's next rounds; a new flush comes only behind the last."""
        loop = asyncio.get_running_loop()
        written = 0
        for count in deliveries:
            written += count
            if written >= SLICE:
                loop.call_soon(self._write_out, deliveries)
                return
        self._last_flush = loop.time()
        self._busy = bool(self._pending)
        if self._busy:
            self._schedule_flush()

    # Bookmarks and timeouts.

    def _first_due(self, watcher: Watcher, now: float) -> float:
        if not watcher.bookmarks or watcher.deadline - BEFORE_END <= now:
            return watcher.deadline
        return min(now + BOOKMARK_PERIOD, watcher.deadline - BEFORE_END)

    def _next_due(self, watcher: Watcher, now: float) -> float:
        """After a bookmark: the next in a minute, two seconds before the end, or one second after this."""
        due = max(min(now + BOOKMARK_PERIOD, watcher.deadline - BEFORE_END), now + 1.0)
        return min(due, watcher.deadline)

    def _schedule(self, watcher: Watcher, at: float) -> None:
        self._due_number += 1
        watcher.due = self._due_number
        self._scheduled[watcher.due] = watcher
        heappush(self._due, (at, self._due_number))
        if self._due[0][1] == self._due_number:
            self._set_timer(at)

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(at, self._run_due)

    def _run_due(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        if self._busy:  # a bookmark must not overtake the changes before it
            self._set_timer(loop.time() + SHORTEST)
            return
        now = loop.time()
        revision = self.cacher.revision
        frames: dict[Form, Frame] = {}
        due = self._due
        while due and due[0][0] <= now:
            watcher = self._scheduled.pop(heappop(due)[1], None)
            if watcher is None:
                continue
            if watcher.deadline <= now:
                watcher.end()
                continue
            self._send_bookmark(watcher, revision, frames)
            self._schedule(watcher, self._next_due(watcher, now))
        if due:
            self._set_timer(due[0][0])

    def _send_bookmark(self, watcher: Watcher, revision: int, frames: dict[Form, Frame]) -> None:
        if watcher.after > revision:
            return
        form = watcher.channel.form
        if watcher.header_due:
            watcher.header_due = False
            watcher.send(Frame.of(self.writer.bookmark(revision, form, header=True)))
            return
        frame = frames.get(form)
        if frame is None:
            frame = frames[form] = Frame.of(self.writer.bookmark(revision, form))
        watcher.send(frame)
