"""A Reflector keeps a reader's copy of a resource: a state machine over list and watch.

```
START ──watch-list──► WATCHING ──stream ends──► RESUMING ──watch from the last revision──► WATCHING
  │   (refused: 4xx)     │ 410 Expired                │ 410
  └──► LISTING ──────────┘                            └──► START, after a back-off
```
A watch-list (sendInitialEvents) comes first; a server that refuses it is listed in pages. Every error backs off with
jitter; 410 starts over; a stream that ends in good order is resumed where it was. Mirrors client-go/tools/cache/reflector.go.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Protocol

import orjson

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import ResourceClient, status_error
from apiserver.client.workqueue import Backoff

log = logging.getLogger(__name__)

START, LISTING, WATCHING, RESUMING = "start", "listing", "watching", "resuming"
PAGE = 500
MIN_WATCH = 300  # seconds; a watch is asked to end after 5 to 10 minutes, so that servers can rebalance
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class Expired(Exception):
    """The revision to go on from is gone: start over."""


class Sink(Protocol):
    """Where a reflector's findings go. `replace` is called with the whole state, the others with single changes."""

    def replace(self, objects: list[Object]) -> None: ...

    def changed(self, obj: Object) -> None: ...

    def deleted(self, obj: Object) -> None: ...


class Reflector:
    """Feeds `sink` until cancelled. `state` and `revision` tell where it stands."""

    def __init__(
        self,
        client: ResourceClient,
        sink: Sink,
        rand: random.Random,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
    ) -> None:
        self._client = client
        self._sink = sink
        self._rand = rand
        self._namespace = namespace
        self._label_selector, self._field_selector = label_selector, field_selector
        self._metadata_only = metadata_only
        self._watch_list = True  # until the server refuses it
        self._backoff = Backoff(rand)
        self._warned: list[int] = []
        self.state = START
        self.revision = ""

    async def run(self) -> None:
        """Go on for ever; ends only by cancellation."""
        while True:
            try:
                await self._start()
                while True:
                    await self._resume()
            except Expired:
                log.info("watch expired", extra={"resource": self._client.gvr.resource})
            except (StatusError, ConnectionError, TimeoutError, OSError) as error:
                log.log(
                    self._level_of(error),
                    "reflector failed",
                    extra={"resource": self._client.gvr.resource, "error": str(error)},
                )
                if isinstance(error, StatusError) and error.code == 404 and not self.revision:
                    self._sink.replace([])  # the server does not serve it (yet): nobody has to wait for it
            self.state = START
            await asyncio.sleep(self._backoff.delay())

    def _level_of(self, error: Exception) -> int:
        """What does not go by itself (a name nobody serves, a right that is missing) is a warning, the first time."""
        if not isinstance(error, StatusError) or error.code not in (403, 404) or error.code in self._warned:
            return logging.INFO
        self._warned.append(error.code)
        return logging.WARNING

    async def _start(self) -> None:
        if self._watch_list:
            try:
                await self._watch(initial=True)
                return
            except StatusError as error:
                if error.code not in (400, 422):
                    raise
                self._watch_list = False
        await self._list()

    async def _list(self) -> None:
        self.state = LISTING
        objects: list[Object] = []
        token = ""
        while True:
            page = await self._client.list(
                self._namespace,
                label_selector=self._label_selector,
                field_selector=self._field_selector,
                limit=PAGE,
                continue_token=token,
                metadata_only=self._metadata_only,
            )
            for item in page.get("items") or ():
                item.setdefault("apiVersion", page.get("apiVersion", ""))
                item.setdefault("kind", page.get("kind", "").removesuffix("List"))
                objects.append(item)
            token = page["metadata"].get("continue", "")
            if not token:
                break
        self.revision = page["metadata"]["resourceVersion"]
        self._sink.replace(objects)

    async def _resume(self) -> None:
        """Watch on; a connection that broke is taken up again where it was, after a back-off."""
        self.state = RESUMING
        try:
            await self._watch(initial=False)
        except (ConnectionError, TimeoutError, OSError) as error:
            log.info("watch broke", extra={"resource": self._client.gvr.resource, "error": str(error)})
            await asyncio.sleep(self._backoff.delay())
        except StatusError as error:
            if error.code == 410:
                raise Expired from error
            if error.code != 429 and error.code < 500:
                raise
            await asyncio.sleep(self._backoff.delay())

    async def _watch(self, *, initial: bool) -> None:
        """One watch until it ends. With `initial` the state comes first and replaces what was known."""
        collected: list[Object] | None = [] if initial else None
        timeout = MIN_WATCH + self._rand.randrange(MIN_WATCH)
        stream = self._client.watch(
            self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            resource_version="" if initial else self.revision,
            initial_events=initial,
            timeout=timeout,
            metadata_only=self._metadata_only,
        )
        async for event in stream:
            self.state = WATCHING
            if event.type == "ERROR":
                raise _stream_error(event.object)
            if event.type == "BOOKMARK":
                if collected is not None and _ends_initial(event.object):
                    self._sink.replace(collected)
                    collected = None
            elif collected is not None:
                collected.append(event.object)
            elif event.type == "DELETED":
                self._sink.deleted(event.object)
            else:
                self._sink.changed(event.object)
            if collected is None:
                self.revision = event.object["metadata"]["resourceVersion"]
        if collected is not None:
            raise TimeoutError("the stream ended before the initial state was complete")


def _ends_initial(bookmark: Object) -> bool:
    return (bookmark["metadata"].get("annotations") or {}).get(INITIAL_EVENTS_END) == "true"


def _stream_error(status: Object) -> Exception:
    if status.get("code") == 410:
        return Expired()
    return status_error(status.get("code", 500), orjson.dumps(status))
