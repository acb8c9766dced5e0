"""Pods that wait for a node: the active ones, those backing off, and those that wait for something to change.

A pod that no node took waits until a cluster event that one of its rejecting plugins cares about may have helped, or five
minutes pass. Events that arrive while a pod is being scheduled are kept, and looked at when it comes back.
Mirrors upstream backend/queue/scheduling_queue.go, backoff_queue.go and active_queue.go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.objects import Object
from controllers.scheduler.framework.events import (
    FORCE_ACTIVATE,
    UNSCHEDULABLE_TIMEOUT,
    ClusterEvent,
    EventHint,
    pod_changes,
)
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.status import Status
from controllers.scheduler.queue.heap import Heap
from controllers.scheduler.queue.in_flight import InFlight
from controllers.scheduler.queue.nominator import Nominator
from controllers.scheduler.queue.queued import QueuedPod

log = logging.getLogger(__name__)

MAX_IN_UNSCHEDULABLE = 300.0  # seconds; upstream DefaultPodMaxInUnschedulablePodsDuration
FLUSH_UNSCHEDULABLE = 30.0
ORDERING_WINDOW = (
    1.0  # back-offs end on whole windows, so that priority decides within one (backoffQOrderingWindowDuration)
)

_SKIP, _AFTER_BACKOFF, _IMMEDIATELY = 0, 1, 2


class PluginHint(NamedTuple):
    """An event a plugin registered, under the plugin's name."""

    plugin: str
    registered: EventHint


class QueueProfile(Protocol):
    """What the queue needs of a profile."""

    @property
    def hints(self) -> tuple[PluginHint, ...]: ...

    @property
    def order(self) -> Callable[[QueuedPod], Any]: ...

    def pre_enqueue(self, pod: PodInfo, first: str) -> Status | None: ...


class SchedulingQueue:
    """Fed by event handlers, emptied by the scheduling loop. `profiles` by scheduler name; all sort alike."""

    def __init__(
        self,
        profiles: Mapping[str, QueueProfile],
        clock: Clock,
        nominator: Nominator,
        *,
        initial_backoff: float = 1.0,
        max_backoff: float = 10.0,
    ) -> None:
        self._profiles = profiles
        self._clock = clock
        self._initial_backoff, self._max_backoff = initial_backoff, max_backoff
        order = next(iter(profiles.values())).order
        self._active: Heap[str, QueuedPod] = Heap(order)
        self._backoff: Heap[str, QueuedPod] = Heap(lambda queued: (self._backoff_until(queued), order(queued)))
        self._error_backoff: Heap[str, QueuedPod] = Heap(self._backoff_until)
        self._unschedulable: dict[str, QueuedPod] = {}
        self._in_flight = InFlight()
        # Who wants to see an event, worked out once: a thousand waiting pods must not make an event slow.
        self._interested: dict[ClusterEvent, dict[str, tuple[PluginHint, ...]]] = {}
        self._wake = asyncio.Event()
        self.nominator = nominator

    # Life

    async def run(self) -> None:
        """Let back-offs end and pods that waited too long try again; until cancelled."""
        await asyncio.gather(self._flush_backoffs(), self._flush_leftovers())

    async def _flush_backoffs(self) -> None:
        while True:
            now = self._clock.now()
            await asyncio.sleep(self._align(now + ORDERING_WINDOW) - now + 1e-6)  # just past the window's beginning
            self.flush_backoff()

    async def _flush_leftovers(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_UNSCHEDULABLE)
            self.flush_unschedulable()

    def flush_backoff(self) -> None:
        """Move everything whose back-off is over to the active queue."""
        for heap in (self._backoff, self._error_backoff):
            while (queued := heap.peek()) is not None and not self._backing_off(queued):
                heap.pop()
                self._to_active(queued, checked=True)

    def flush_unschedulable(self) -> None:
        now = self._clock.now()
        waited = [q for q in self._unschedulable.values() if now - q.timestamp > MAX_IN_UNSCHEDULABLE]
        self._move(waited, UNSCHEDULABLE_TIMEOUT, None, None)

    async def pop(self) -> QueuedPod:
        """The next pod to schedule; it is in flight until `done`. With nothing active a pod that backs off goes early."""
        while True:
            queued = self._active.pop() or self._backoff.pop()  # SchedulerPopFromBackoffQ; errors wait their time
            if queued is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            if self._in_flight.add(queued.info.uid):
                queued.attempts += 1
                return queued
            log.error("a pod was queued while in flight", extra={"pod": str(queued.info)})

    def done(self, uid: str) -> None:
        """The pod's scheduling has ended, one way or the other."""
        self._in_flight.remove(uid)

    # Single pods

    def add(self, pod: Object) -> None:
        """A new pod."""
        self._add(QueuedPod(PodInfo(pod), self._clock.now()))

    def _add(self, queued: QueuedPod) -> None:
        self._to_active(queued)
        self.nominator.add(queued.info)

    def update(self, old: Object, new: Object) -> None:
        """A waiting pod changed; that may make it schedulable."""
        uid = new["metadata"]["uid"]
        events = pod_changes(new, old, target=True)
        if self._in_flight.pod_updated(uid, events, old, new):
            return
        for heap in (self._active, self._backoff, self._error_backoff):
            if (queued := heap.get(uid)) is not None:
                queued.info = PodInfo(new)
                heap.put(uid, queued)
                self.nominator.update(old, queued.info)
                return
        queued = self._unschedulable.get(uid)
        if queued is None:
            self.add(new)
            return
        queued.info = PodInfo(new)
        self.nominator.update(old, queued.info)
        for event in events:
            if self._requeue(queued, self._worth(queued, event, old, new)):
                return

    def delete(self, uid: str) -> None:
        self.nominator.delete(uid)
        for heap in (self._active, self._backoff, self._error_backoff):
            heap.remove(uid)
        self._unschedulable.pop(uid, None)

    def activate(self, pods: Mapping[str, PodInfo]) -> None:
        """Let waiting pods try now; one that is in flight will try again when it comes back."""
        for uid, pod in pods.items():
            queued = self._unschedulable.get(uid) or self._backoff.remove(uid) or self._error_backoff.remove(uid)
            if queued is not None:
                self._to_active(queued)
            else:
                self._in_flight.pod_updated(uid, [FORCE_ACTIVATE], None, pod.pod)

    def add_unschedulable(self, queued: QueuedPod) -> None:
        """A popped pod comes back without a node. Raises ValueError when it is queued again already."""
        uid = queued.info.uid
        try:
            if uid in self._unschedulable or uid in self._active or uid in self._backoff or uid in self._error_backoff:
                raise ValueError(f"Pod {queued.info} is already present in a queue")
            if queued.rejectors:
                queued.unschedulable_count += 1
                queued.consecutive_errors = 0
            else:
                queued.consecutive_errors += 1
            queued.timestamp = self._clock.now()
            queued.backoff_until = None
            self._requeue(queued, self._worth_in_flight(queued))
        finally:
            self.done(uid)

    # Events

    def move_all(self, event: ClusterEvent, old: Any, new: Any, only: Callable[[PodInfo], bool] | None = None) -> None:
        """Something changed in the cluster: wake the pods it may help. `only` picks among the waiting."""
        waiting = [q for q in self._unschedulable.values() if only is None or only(q.info)]
        self._move(waiting, event, old, new)

    def _move(self, waiting: list[QueuedPod], event: ClusterEvent, old: Any, new: Any) -> None:
        if not event.wildcard and not any(self._interest(event).values()):
            return
        for queued in waiting:
            if queued.gated and not event.wildcard and not any(e.covers(event) for e in queued.gating_events):
                continue
            worth = self._worth(queued, event, old, new)
            if worth != _SKIP:
                self._unschedulable.pop(queued.info.uid, None)
                self._requeue(queued, worth)
        self._in_flight.cluster_event(event, old, new)

    def _interest(self, event: ClusterEvent) -> dict[str, tuple[PluginHint, ...]]:
        """By scheduler name, what its plugins registered that covers the event."""
        found = self._interested.get(event)
        if found is None:
            found = self._interested[event] = {
                name: tuple(hint for hint in profile.hints if hint.registered.event.covers(event))
                for name, profile in self._profiles.items()
            }
        return found

    def _worth(self, queued: QueuedPod, event: ClusterEvent, old: Any, new: Any) -> int:
        """How to requeue a waiting pod for an event: only the plugins that turned it down are asked."""
        rejectors = queued.rejectors
        if not rejectors:
            return _AFTER_BACKOFF
        if event.wildcard:
            return _AFTER_BACKOFF if new is None or new["metadata"].get("uid") == queued.info.uid else _SKIP
        worth = _SKIP
        for plugin, registered in self._interest(event)[queued.info.pod["spec"]["schedulerName"]]:
            if plugin not in rejectors or not _says_yes(plugin, registered, queued.info.pod, old, new):
                continue
            if plugin in queued.pending_plugins:
                return _IMMEDIATELY
            worth = _AFTER_BACKOFF
            if not queued.pending_plugins:
                return worth
        return worth

    def _worth_in_flight(self, queued: QueuedPod) -> int:
        """The same, for all that happened while the pod was being scheduled."""
        if not queued.rejectors:
            return _AFTER_BACKOFF
        worth = _SKIP
        for event, old, new in self._in_flight.events(queued.info.uid):
            worth = max(worth, self._worth(queued, event, old, new))
            if worth == _IMMEDIATELY or (worth == _AFTER_BACKOFF and not queued.pending_plugins):
                break
        return worth

    # Moves

    def _requeue(self, queued: QueuedPod, worth: int) -> bool:
        """Put the pod where it belongs now; True when it left (or did not enter) the unschedulable ones."""
        if worth == _SKIP:
            self._unschedulable[queued.info.uid] = queued
            return False
        if worth == _AFTER_BACKOFF and self._backing_off(queued):
            return self._to_backoff(queued)
        return self._to_active(queued)

    def _to_active(self, queued: QueuedPod, *, checked: bool = False) -> bool:
        if not checked and self._gate(queued):
            return False
        if queued.first_attempt is None:
            queued.first_attempt = self._clock.now()
        self._unschedulable.pop(queued.info.uid, None)
        self._active.put(queued.info.uid, queued)
        self._wake.set()
        return True

    def _to_backoff(self, queued: QueuedPod) -> bool:
        if self._gate(queued):
            return False
        self._unschedulable.pop(queued.info.uid, None)
        heap = self._backoff if queued.rejectors else self._error_backoff
        heap.put(queued.info.uid, queued)
        self._wake.set()
        return True

    def _gate(self, queued: QueuedPod) -> bool:
        """Ask the PreEnqueue plugins; True when one holds the pod back: it then waits among the unschedulable."""
        profile = self._profiles[queued.info.pod["spec"]["schedulerName"]]
        status = profile.pre_enqueue(queued.info, queued.gating_plugin)
        if status is None:
            queued.gating_plugin, queued.gating_events = "", ()
            return False
        queued.gating_plugin = status.plugin
        queued.gating_events = tuple(h.registered.event for h in profile.hints if h.plugin == status.plugin)
        queued.unschedulable_plugins[status.plugin] = None
        self._unschedulable[queued.info.uid] = queued
        return True

    # Back-off

    def _align(self, moment: float) -> float:
        return moment // ORDERING_WINDOW * ORDERING_WINDOW

    def _backing_off(self, queued: QueuedPod) -> bool:
        return self._backoff_until(queued) >= self._align(self._clock.now())

    def _backoff_until(self, queued: QueuedPod) -> float:
        count = queued.consecutive_errors or queued.unschedulable_count
        if self._max_backoff == 0 or count == 0:
            return 0.0
        if queued.backoff_until is None:
            seconds = min(self._initial_backoff * 2.0 ** min(count - 1, 60), self._max_backoff)
            queued.backoff_until = self._align(queued.timestamp + seconds)
        return queued.backoff_until

    # Looks

    @property
    def counts(self) -> tuple[int, int, int]:
        """Active, backing off, unschedulable."""
        return len(self._active), len(self._backoff) + len(self._error_backoff), len(self._unschedulable)

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)


def _says_yes(plugin: str, registered: EventHint, pod: Object, old: Any, new: Any) -> bool:
    if registered.hint is None:
        return True
    try:
        return registered.hint(pod, old, new)
    except Exception:  # a hint that fails must not leave a pod waiting
        log.exception("queueing hint failed", extra={"plugin": plugin, "pod": pod["metadata"]["name"]})
        return True
