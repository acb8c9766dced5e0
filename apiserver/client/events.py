"""An event recorder with correlation: the same thing said again counts up, too much of it is dropped.

Mirrors client-go/tools/record: at most 25 events per object in a burst, then one in five minutes; more than ten similar
messages in ten minutes become one; an event told before is patched with its count.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from apiserver.apimachinery.clock import Clock, rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.client.resources import MERGE_PATCH, Client

log = logging.getLogger(__name__)

EVENTS = GroupVersionResource("", "v1", "events")
SPAM_BURST = 25
SPAM_RATE = 1 / 300  # a second, per source and object
SIMILAR_MAX = 10
SIMILAR_WITHIN = 600.0  # seconds
CACHE = 4096  # entries of each memory
MAX_PENDING = 1000  # events under way; more are dropped, as upstream's full channel drops them


class _Memory(OrderedDict[tuple[Any, ...], Any]):
    """The most recently used entries only."""

    def remember(self, key: tuple[Any, ...], value: Any) -> None:
        self[key] = value
        self.move_to_end(key)
        if len(self) > CACHE:
            self.popitem(last=False)


@dataclass
class _Bucket:
    tokens: float
    filled: float


@dataclass
class _Similar:
    messages: dict[str, None] = field(default_factory=dict)
    last: float = 0.0


@dataclass
class _Told:
    name: str
    count: int
    first: str
    message: str = ""
    combined: bool = False
    busy: bool = False


def object_reference(obj: Object, field_path: str = "") -> dict[str, str]:
    """The involvedObject of an event about `obj`; `obj` needs its apiVersion and kind."""
    meta = obj["metadata"]
    reference = {
        "kind": obj.get("kind", ""),
        "namespace": meta.get("namespace", ""),
        "name": meta["name"],
        "uid": meta.get("uid", ""),
        "apiVersion": obj.get("apiVersion", ""),
        "resourceVersion": meta.get("resourceVersion", ""),
        "fieldPath": field_path,
    }
    return {k: v for k, v in reference.items() if v}


class EventRecorder:
    """Writes Events about objects, in the background, in order; failures are logged, never raised."""

    def __init__(self, client: Client, clock: Clock, component: str, *, host: str = "") -> None:
        self._events = client.resource(EVENTS)
        self._clock = clock
        self._source = {k: v for k, v in (("component", component), ("host", host)) if v}
        self._buckets = _Memory()
        self._similar = _Memory()
        self._told = _Memory()
        self._serial = 0  # two events of one moment get two names
        self._tasks = TaskOwner(f"events of {component}")

    def event(self, obj: Object, type: str, reason: str, message: str, *, field_path: str = "") -> None:
        """Say that `reason` happened to `obj`. `type` is Normal or Warning."""
        now = self._clock.now()
        about = object_reference(obj, field_path)
        similar = (*(about.get(k, "") for k in ("kind", "namespace", "name", "uid", "apiVersion")), type, reason)
        combined = self._is_one_of_many(similar, message, now)
        if not self._allowed(similar[:5], now) or len(self._tasks) >= MAX_PENDING:
            return
        # Many similar ones are told in one event, whose message is the last one's.
        key = similar if combined else (*similar, message, field_path)
        told = self._told.get(key)
        if told is None:
            self._serial += 1
            told = _Told(f"{about['name']}.{int(now * 1e9) + self._serial:x}", 0, rfc3339(now))
        told.count += 1
        told.message = f"(combined from similar events): {message}" if combined else message
        told.combined = combined
        self._told.remember(key, told)
        if not told.busy:
            told.busy = True
            self._tasks.create_task(self._write(told, about, type, reason), name="event")

    def _is_one_of_many(self, key: tuple[Any, ...], message: str, now: float) -> bool:
        """Were there so many similar messages lately that this one is only counted with them?"""
        record = self._similar.get(key)
        if record is None or now - record.last > SIMILAR_WITHIN:
            record = _Similar()
        record.messages[message] = None
        record.last = now
        self._similar.remember(key, record)
        if len(record.messages) < SIMILAR_MAX:
            return False
        record.messages.pop(next(iter(record.messages)))
        return True

    def _allowed(self, key: tuple[Any, ...], now: float) -> bool:
        bucket = self._buckets.get(key) or _Bucket(SPAM_BURST, now)
        bucket.tokens = min(SPAM_BURST, bucket.tokens + (now - bucket.filled) * SPAM_RATE)
        bucket.filled = now
        self._buckets.remember(key, bucket)
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    async def _write(self, told: _Told, about: dict[str, str], type: str, reason: str) -> None:
        namespace = about.get("namespace") or "default"
        try:
            written = 0
            while written != told.count:  # said again meanwhile: one more patch, not one each
                count, last = told.count, rfc3339(self._clock.now())
                if written == 0 and count == 1:
                    await self._create(told, namespace, about, type, reason)
                else:
                    await self._count(told, namespace, about, type, reason, count, last)
                written = count
        except (StatusError, ConnectionError, TimeoutError, OSError) as error:
            log.info("event not written", extra={"reason": reason, "error": str(error)})
        finally:
            told.busy = False

    async def _create(self, told: _Told, namespace: str, about: dict[str, str], type: str, reason: str) -> None:
        event: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": told.name, "namespace": namespace},
            "involvedObject": about,
            "reason": reason,
            "message": told.message,
            "source": self._source,
            "firstTimestamp": told.first,
            "lastTimestamp": rfc3339(self._clock.now()),
            "count": told.count,
            "type": type,
            "reportingComponent": self._source["component"],
            "reportingInstance": self._source.get("host", ""),
        }
        if told.combined:  # upstream makes these anew and does not say who reports them (record.EventAggregator)
            event |= {"reportingComponent": "", "reportingInstance": ""}
        await self._events.create(event, namespace)

    async def _count(
        self, told: _Told, namespace: str, about: dict[str, str], type: str, reason: str, count: int, last: str
    ) -> None:
        patch = {"count": count, "lastTimestamp": last, "message": told.message}
        try:
            await self._events.patch(told.name, namespace, patch, type=MERGE_PATCH)
        except StatusError as error:
            if error.code != 404:
                raise
            await self._create(told, namespace, about, type, reason)

    async def close(self) -> None:
        await self._tasks.close()
