"""Loops at work over a whole API server in virtual time: memory store, loopback transport, a seed.

There is no scheduler and no kubelet here: a test plays them by writing what they would (`run_pods`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from apiserver.apimachinery.clock import LoopClock, rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.http import UserInfo
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.client.interface import Transport, TransportResponse
from apiserver.client.resources import MERGE_PATCH, Client, ResourceClient
from apiserver.client.transport import LoopbackTransport
from apiserver.server.tests.worlds import World, world
from controllers.framework import accounts
from controllers.framework.kinds import PODS
from controllers.process import Options, run

ADMIN = UserInfo("admin", ("system:masters", "system:authenticated"))
MANAGER = UserInfo("system:kube-controller-manager", ("system:authenticated",))
SETTINGS = {"root_ca": "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"}


class Watched:
    """A Transport that notes which of its requests the authorizer refuses."""

    def __init__(self, transport: Transport, refused: list[str]) -> None:
        self._transport = transport
        self._refused = refused

    async def send(
        self, method: str, target: str, *, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> TransportResponse:
        response = await self._transport.send(method, target, headers=headers, body=body)
        if response.status == 403 and b" cannot " in (answer := await response.read()):
            self._refused.append(f"{method} {target}: {answer.decode()}")
        return response

    async def aclose(self) -> None:
        await self._transport.aclose()


class LoopWorld:
    """A server, the asked loops, and a client to look at and change things with."""

    def __init__(self, server: World, client: Client) -> None:
        self.server = server
        self.client = client

    def resource(self, gvr: GroupVersionResource) -> ResourceClient:
        return self.client.resource(gvr)

    def now(self) -> float:
        return self.server.server.clock.now()

    async def all(self, gvr: GroupVersionResource, namespace: str = "default", labels: str = "") -> list[Object]:
        """What there is, in the server's order."""
        found = await self.resource(gvr).list(namespace, label_selector=labels)
        return found["items"] or []

    async def find(self, gvr: GroupVersionResource, name: str, namespace: str = "default") -> Object | None:
        """One object, or None when it is not there."""
        try:
            return await self.resource(gvr).get(name, namespace)
        except StatusError as error:
            if error.code == 404:
                return None
            raise

    async def settle(self, seconds: float = 5.0) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(seconds)

    async def eventually(self, holds: Callable[[], Any], within: float = 120.0, every: float = 0.5) -> Any:
        """What the coroutine function `holds` returns once that is true; AssertionError after `within` seconds."""
        end = asyncio.get_running_loop().time() + within
        while True:
            value = await holds()
            if value:
                return value
            assert asyncio.get_running_loop().time() < end, f"not within {within:g} s of virtual time"
            await asyncio.sleep(every)

    async def run_pods(self, namespace: str = "default", labels: str = "", node: str = "node-1") -> list[Object]:
        """Play scheduler and kubelet: every waiting pod is bound to `node` and becomes Running and Ready."""
        return [
            await self.set_phase(pod, "Running", node=node)
            for pod in await self.all(PODS, namespace, labels)
            if (pod.get("status") or {}).get("phase") == "Pending" and not pod["metadata"].get("deletionTimestamp")
        ]

    async def set_phase(self, pod: Object, phase: str, *, node: str = "node-1", ready: bool | None = None) -> Object:
        """Play the kubelet for one pod; `ready` follows the phase unless it is given."""
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        if not pod["spec"].get("nodeName"):
            binding = {"metadata": {"name": name}, "target": {"kind": "Node", "name": node}}
            await self.resource(PODS).create(binding, namespace, name=name, subresource="binding")
        is_ready = "True" if (phase == "Running" if ready is None else ready) else "False"
        condition = {"type": "Ready", "status": is_ready, "lastTransitionTime": rfc3339(self.now())}
        status = {"phase": phase, "conditions": [condition]}
        return await self.resource(PODS).patch(
            name, namespace, {"status": status}, type=MERGE_PATCH, subresource="status"
        )

    async def finish_deletions(self, namespace: str = "default") -> None:
        """Play the kubelet: pods that are being deleted are gone."""
        for pod in await self.all(PODS, namespace):
            if pod["metadata"].get("deletionTimestamp"):
                await self.resource(PODS).delete(pod["metadata"]["name"], namespace, grace_period=0)


@asynccontextmanager
async def loop_world(
    *loops: str,
    seed: int = 1,
    settings: dict[str, Any] | None = None,
    front: Callable[[Transport], Transport] = lambda transport: transport,
) -> AsyncIterator[LoopWorld]:
    """A ready server with the named loops (upstream's names; none: all of them). Run it inside `run_virtual`.

    The loops have upstream's rights and no others, each those of its service account; that one asks for more is an
    AssertionError at the end. `front` may put something between loops and server: an aggregated API, say.
    """
    async with world(seed) as server:
        clock = LoopClock(asyncio.get_running_loop())
        handler = server.server.handler
        transport, manager = LoopbackTransport(handler, user=ADMIN), LoopbackTransport(handler, user=MANAGER)
        made: list[LoopbackTransport] = []
        refused: list[str] = []

        def speak_as(account: str) -> Transport:
            made.append(LoopbackTransport(handler, user=UserInfo(accounts.username(account), accounts.groups())))
            return Watched(front(made[-1]), refused)

        options = Options(
            identity="test",
            loops=loops or ("*",),
            leader_elect=False,
            settings={**SETTINGS, **(settings or {})},
            detect_mutations=True,
            accounts=speak_as,
        )
        tasks = TaskOwner("loop world")
        running = tasks.create_task(
            run(Watched(front(manager), refused), clock, Random(seed), options), name="controllers"
        )
        try:
            yield LoopWorld(server, Client(transport))
            if running.done():
                running.result()
            assert refused == []
        finally:
            await tasks.close()
            for each in (*made, manager, transport):
                await each.aclose()
