"""Events in the new API (events.k8s.io/v1), as the scheduler writes them: what repeats becomes a series.

Mirrors client-go/tools/events: the first is created; the second of the same kind turns it into a series of two; later ones
only count up here, and are written when the series is refreshed (every 30 minutes) or ends (six quiet minutes).
"""

from __future__ import annotations

import asyncio
import logging

from apiserver.apimachinery.clock import Clock, rfc3339_micro
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.objects import Object, copy
from apiserver.apimachinery.rand import Random
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.client.events import object_reference
from apiserver.client.resources import STRATEGIC_PATCH, Client, jitter

log = logging.getLogger(__name__)

EVENTS = GroupVersionResource("events.k8s.io", "v1", "events")
MAX_PENDING = 1000  # events under way; more are dropped
MAX_AT_ONCE = 16  # requests; events must not crowd out bindings
MAX_TRIES = 12
RETRY = 10.0  # seconds, and up to a quarter more
FINISH = 360.0
REFRESH = 1800.0

_Key = tuple[str, ...]


class _Told:
    """An event that was written, and when it was last said."""

    __slots__ = ("event", "last")

    def __init__(self, event: Object, now: float) -> None:
        self.event = event
        self.last = now


class SchedulerEvents:
    """Writes in the background; failures are logged, never raised. `controller` is the profile's scheduler name."""

    def __init__(self, client: Client, clock: Clock, rand: Random, host: str) -> None:
        self._events = client.resource(EVENTS)
        self._clock = clock
        self._rand = rand
        self._host = host
        self._told: dict[_Key, _Told] = {}
        self._serial = 0  # two events of one moment get two names
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)
        self._tasks = TaskOwner("scheduler events")

    def event(self, controller: str, about: Object, type: str, reason: str, action: str, note: str) -> None:
        """Say that `reason` happened to `about` while doing `action`. `type` is Normal or Warning."""
        now = self._clock.now()
        regarding = object_reference(about)
        key = (type, action, reason, controller, *(regarding.get(k, "") for k in _REFERENCE))
        told = self._told.get(key)
        if told is not None and now - told.last <= FINISH:
            told.last = now
            series = told.event.get("series")
            if series is not None:
                series |= {"count": series["count"] + 1, "lastObservedTime": rfc3339_micro(now)}
                return
            told.event["series"] = {"count": 2, "lastObservedTime": rfc3339_micro(now)}
            self._write(copy(told.event))
            return
        event = self._made(controller, regarding, type, reason, action, note, now)
        self._told[key] = _Told(event, now)
        self._write(copy(event))

    def _made(
        self, controller: str, regarding: dict[str, str], type: str, reason: str, action: str, note: str, now: float
    ) -> Object:
        self._serial += 1
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {
                "name": f"{regarding['name']}.{int(now * 1e9) + self._serial:x}",
                "namespace": regarding.get("namespace") or "default",
            },
            "eventTime": rfc3339_micro(now),
            "reportingController": controller,
            "reportingInstance": f"{controller}-{self._host}",
            "action": action,
            "reason": reason,
            "regarding": regarding,
            "note": note,
            "type": type,
        }

    def _write(self, event: Object) -> None:
        if len(self._tasks) < MAX_PENDING:
            self._tasks.create_task(self._try(event), name="event")

    async def _try(self, event: Object) -> None:
        for _ in range(MAX_TRIES):
            async with self._slots:
                if await self._record(event):
                    return
            await asyncio.sleep(jitter(RETRY, 0.25, self._rand))
        log.warning("event not written", extra={"reason": event["reason"]})

    async def _record(self, event: Object) -> bool:
        """Write once; False: try again later."""
        meta, series = event["metadata"], event.get("series")
        try:
            if series is not None:
                try:
                    await self._events.patch(meta["name"], meta["namespace"], {"series": series}, type=STRATEGIC_PATCH)
                    return True
                except StatusError as error:
                    if error.code != 404:
                        raise
            await self._events.create(event, meta["namespace"])
        except StatusError as error:
            if series is not None and error.reason == "AlreadyExists":
                return False  # the event was being created when its series began
            log.info("event refused", extra={"reason": event["reason"], "error": str(error)})
        except (ConnectionError, TimeoutError, OSError) as error:
            log.info("event not written yet", extra={"reason": event["reason"], "error": str(error)})
            return False
        return True

    async def run(self) -> None:
        """End series that are over, refresh those that go on; until cancelled."""
        rounds = 0
        while True:
            await asyncio.sleep(FINISH)
            rounds += 1
            self._finish()
            if rounds % int(REFRESH / FINISH) == 0:
                for told in self._told.values():
                    if "series" in told.event:
                        self._write(copy(told.event))

    def _finish(self) -> None:
        now = self._clock.now()
        for key, told in list(self._told.items()):
            if now - told.last > FINISH:
                del self._told[key]
                if "series" in told.event:
                    self._write(told.event)

    async def close(self) -> None:
        await self._tasks.close()


_REFERENCE: tuple[str, ...] = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
