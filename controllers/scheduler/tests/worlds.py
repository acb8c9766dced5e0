"""A scheduler at work over a whole API server in virtual time, with hand-made nodes and nobody to run the pods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from apiserver.apimachinery.clock import LoopClock
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.client.interface import TransportResponse
from apiserver.client.resources import Client
from apiserver.client.transport import LoopbackTransport
from apiserver.server.tests.worlds import World, world
from controllers.framework import kinds
from controllers.scheduler.configuration import Configuration
from controllers.scheduler.process import Options, run
from controllers.tests.worlds import ADMIN, LoopWorld


class FailingTransport:
    """Passes requests on, but for those `fails` (a cut line) or `missing` (a kind the server does not know) says yes to."""

    def __init__(self, transport: LoopbackTransport) -> None:
        self._transport = transport
        self.fails: Callable[[str, str], bool] = lambda method, target: False
        self.missing: Callable[[str], bool] = lambda target: False

    async def send(
        self, method: str, target: str, *, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> TransportResponse:
        if self.fails(method, target):
            raise ConnectionError("the line is cut")
        if self.missing(target):
            target = "/apis/nobody.example.com/v1/things"
        return await self._transport.send(method, target, headers=headers, body=body)

    async def aclose(self) -> None:
        await self._transport.aclose()


class SchedulerWorld(LoopWorld):
    """A server, a scheduler, and what it takes to give it work. `transport` is the scheduler's: it can be made to fail."""

    def __init__(self, server: World, client: Client, transport: FailingTransport, options: Options) -> None:
        super().__init__(server, client)
        self.transport = transport
        self._options = options
        self._tasks = TaskOwner("scheduler world")
        self._running: asyncio.Task[None] | None = None

    def start(self, seed: int = 1) -> None:
        running = run(self.transport, LoopClock(asyncio.get_running_loop()), Random(seed), self._options)
        self._running = self._tasks.create_task(running, name="scheduler")

    async def stop(self) -> None:
        """End the scheduler; raises what it died of."""
        assert self._running is not None
        if self._running.done():
            self._running.result()
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def node(self, name: str, *, cpu: str = "4", memory: str = "8Gi", pods: str = "110", **more: Any) -> Object:
        """A node that is ready. `labels`, `taints`, `unschedulable`, `allocatable` (more of it), `images`."""
        labels = {"kubernetes.io/hostname": name, **more.get("labels", {})}
        amounts = {"cpu": cpu, "memory": memory, "pods": pods, **more.get("allocatable", {})}
        spec = {key: more[key] for key in ("taints", "unschedulable") if key in more}
        await self.resource(kinds.NODES).create({"metadata": {"name": name, "labels": labels}, "spec": spec})
        status: dict[str, Any] = {
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": [{"type": "Ready", "status": "True"}],
            "images": more.get("images", []),
        }
        found = await self.resource(kinds.NODES).get(name)
        taints = [t for t in found["spec"].get("taints") or () if t["key"] != "node.kubernetes.io/not-ready"]
        found["spec"]["taints"] = taints  # TaintNodesByCondition put it there
        await self.resource(kinds.NODES).update(found)
        made = await self.resource(kinds.NODES).patch(name, "", {"status": status}, subresource="status")
        await self.settle(0.01)  # seen by the scheduler too
        return made

    async def nodes(self, count: int, **more: Any) -> None:
        for i in range(1, count + 1):
            await self.node(f"node-{i}", **more)

    async def pod(self, name: str, *, cpu: str = "", memory: str = "", **spec: Any) -> Object:
        """A pod of one container. `labels` and `ports` (host ports) beside fields of the spec."""
        labels, ports = spec.pop("labels", {}), spec.pop("ports", [])
        requests = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
        container: dict[str, Any] = {"name": "c", "image": "nginx", "resources": {"requests": requests}}
        container["ports"] = [{"containerPort": port, "hostPort": port} for port in ports]
        body = {"metadata": {"name": name, "labels": labels}, "spec": {"containers": [container], **spec}}
        return await self.resource(kinds.PODS).create(body, "default")

    async def node_of(self, name: str) -> str:
        """Where the pod is bound; empty while it is not."""
        found = await self.resource(kinds.PODS).get(name, "default")
        return found["spec"].get("nodeName") or ""

    async def placed(self) -> dict[str, str]:
        """Node by pod, of all in the namespace."""
        return {p["metadata"]["name"]: p["spec"].get("nodeName") or "" for p in await self.all(kinds.PODS)}

    async def scheduled_condition(self, name: str) -> dict[str, Any]:
        found = await self.resource(kinds.PODS).get(name, "default")
        conditions = (found.get("status") or {}).get("conditions") or ()
        return next((c for c in conditions if c["type"] == "PodScheduled"), {})

    async def messages(self, name: str, reason: str = "") -> list[str]:
        """What events say of a pod, oldest first."""
        found = [e for e in await self.all(kinds.EVENTS) if e["involvedObject"]["name"] == name]
        found.sort(key=lambda e: e.get("eventTime") or "")
        return [e["message"] for e in found if not reason or e["reason"] == reason]


@asynccontextmanager
async def scheduler_world(
    *, seed: int = 1, configuration: Configuration | None = None, leader_elect: bool = False
) -> AsyncIterator[SchedulerWorld]:
    """A ready server and a scheduler. Run it inside `run_virtual`."""
    async with world(seed) as server:
        transport = LoopbackTransport(server.server.handler, user=ADMIN)
        options = Options(
            identity="test",
            configuration=configuration or Configuration(),
            leader_elect=leader_elect,
            host="test",
            detect_mutations=True,
        )
        client = Client(transport)
        account = {"metadata": {"name": "default"}}  # admission wants it; its controller does not run here
        await client.resource(kinds.SERVICE_ACCOUNTS).create(account, "default")
        made = SchedulerWorld(server, client, FailingTransport(transport), options)
        made.start(seed)
        try:
            yield made
        finally:
            await made.stop()
            await transport.aclose()
