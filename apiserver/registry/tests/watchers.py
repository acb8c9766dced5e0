"""Clients of watches, for tests: each reads its stream to the end, or as slowly as it likes."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from apiserver.apimachinery.http import Frame
from apiserver.apimachinery.objects import Object
from apiserver.registry.list_options import parse_list_options
from apiserver.registry.rendition import Form
from apiserver.registry.tests.world import World


class Recorder:
    """A Sink that takes everything at once, or nothing at all (`stuck`), and knows when it came."""

    def __init__(self, stuck: bool = False) -> None:
        self.stuck = stuck
        self.payload = b""
        self.times: list[float] = []
        self.gone = asyncio.Event()

    def write(self, frame: Frame) -> None:
        assert frame.chunk == b"%x\r\n%b\r\n" % (len(frame.payload), frame.payload)
        now = asyncio.get_running_loop().time()
        self.times += [now] * frame.payload.count(b"\n")
        self.payload += frame.payload

    def buffered(self) -> int:
        return len(self.payload) if self.stuck else 0

    async def drain(self) -> None:
        if self.stuck:
            await self.gone.wait()
            raise ConnectionResetError

    async def wait_closed(self) -> None:
        await self.gone.wait()

    @property
    def events(self) -> list[Object]:
        return [orjson.loads(line) for line in self.payload.splitlines()]

    @property
    def told(self) -> list[str]:
        """`ADDED a 5`: type, name, resourceVersion."""
        return [told(event) for event in self.events]


def told(event: Object) -> str:
    obj = event["object"]
    meta = obj.get("metadata") or {}
    if event["type"] == "ERROR":
        return f"ERROR {obj['code']} {obj['reason']}"
    words = [event["type"], meta.get("name", ""), meta.get("resourceVersion", "")]
    if "annotations" in meta:
        words.append("end")
    return " ".join(word for word in words if word)


class Client:
    """One watch in a task of its own."""

    def __init__(self, world: World, form: Form | None = None, *, stuck: bool = False, **query: Any) -> None:
        self.world = world
        self.form = form or Form("v1")
        self.query = {"watch": "1", **{key: str(value) for key, value in query.items()}}
        self.sink = Recorder(stuck)
        self.ended = 0.0
        self.task: asyncio.Task[None] = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        namespace = self.query.pop("namespace", "default")
        options = parse_list_options(self.query)
        watching = await self.world.store.watch(self.world.context(namespace=namespace), options, self.form)
        await watching.run(self.sink)
        self.ended = asyncio.get_running_loop().time()

    async def close(self) -> None:
        """Go away, and see the watch end for that."""
        self.sink.gone.set()
        await self.task

    @property
    def told(self) -> list[str]:
        return self.sink.told
