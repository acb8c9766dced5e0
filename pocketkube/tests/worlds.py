"""A whole cluster in virtual time: server, controllers, scheduler and simulated nodes over the loopback, from one seed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from apiserver.apimachinery.clock import LoopClock
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.http import UserInfo
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.client.interface import Transport
from apiserver.client.resources import Client, ResourceClient
from apiserver.client.transport import LoopbackTransport
from apiserver.server.tests.worlds import World, world
from controllers import process as controllers
from controllers.framework import accounts
from controllers.scheduler import process as scheduler
from controllers.scheduler.configuration import Configuration
from kubelet import process as kubelets
from kubelet.node.identity import GROUP, NodeIdentity

PODS = GroupVersionResource("", "v1", "pods")
MANAGER = "system:kube-controller-manager"
MASTERS = ("system:masters", "system:authenticated")
ROOT_CA = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"


class ClusterWorld:
    """What tests do with it."""

    def __init__(self, server: World, client: Client) -> None:
        self.server = server
        self.client = client

    def resource(self, gvr: GroupVersionResource) -> ResourceClient:
        return self.client.resource(gvr)

    async def all(self, gvr: GroupVersionResource, namespace: str = "", labels: str = "") -> list[Object]:
        found = await self.resource(gvr).list(namespace, label_selector=labels)
        return list(found["items"] or ())

    async def eventually(self, holds: Callable[[], Awaitable[Any]], within: float = 300.0) -> Any:
        """What `holds` gives once that is true; AssertionError after `within` virtual seconds."""
        end = asyncio.get_running_loop().time() + within
        while not (value := await holds()):
            assert asyncio.get_running_loop().time() < end, f"not within {within:g} s of virtual time"
            await asyncio.sleep(0.5)
        return value


@asynccontextmanager
async def cluster_world(
    nodes: int = 2,
    seed: int = 1,
    options: dict[str, Any] | None = None,
    *,
    scheduling: Configuration | None = None,
    detect_mutations: bool = True,
) -> AsyncIterator[ClusterWorld]:
    """A cluster whose nodes are ready. Run it inside `run_virtual`."""
    async with world(seed, options) as server:
        clock = LoopClock(asyncio.get_running_loop())
        handler = server.server.handler
        transports: list[LoopbackTransport] = []

        def transport(user: str, *groups: str) -> LoopbackTransport:
            made = LoopbackTransport(handler, user=UserInfo(user, groups))
            transports.append(made)
            return made

        async def transport_for(identity: NodeIdentity) -> Transport:
            return transport(identity.user, GROUP, "system:authenticated")

        loops = controllers.Options(
            identity="controllers",
            leader_elect=False,
            settings={"root_ca": ROOT_CA},
            detect_mutations=detect_mutations,
            accounts=lambda account: transport(accounts.username(account), *accounts.groups()),
        )
        scheduler_options = scheduler.Options(
            identity="scheduler",
            configuration=scheduling or Configuration(),
            leader_elect=False,
            host="test",
            detect_mutations=detect_mutations,
        )
        tasks = TaskOwner("cluster world")
        running = [
            tasks.create_task(work, name=name)
            for name, work in (
                (
                    "controllers",
                    controllers.run(transport(MANAGER, "system:authenticated"), clock, Random(seed), loops),
                ),
                (
                    "scheduler",
                    scheduler.run(
                        transport("system:kube-scheduler", "system:authenticated"),
                        clock,
                        Random(seed),
                        scheduler_options,
                    ),
                ),
                (
                    "kubelets",
                    kubelets.run(transport_for, clock, Random(seed), kubelets.Options(simulated_nodes=nodes)),
                ),
            )
        ]
        made = ClusterWorld(server, Client(transport("admin", *MASTERS)))
        try:
            await made.eventually(lambda: _ready(made, nodes))
            yield made
            for task in running:
                if task.done():
                    task.result()
        finally:
            await tasks.close()
            for each in transports:
                await each.aclose()


async def _ready(w: ClusterWorld, nodes: int) -> bool:
    found = await w.all(GroupVersionResource("", "v1", "nodes"))
    untainted = [node for node in found if not node["spec"].get("taints")]
    return len(untainted) == nodes


async def find(resource: ResourceClient, name: str, namespace: str = "default") -> Object | None:
    """One object, or None when it is not there."""
    try:
        return await resource.get(name, namespace)
    except StatusError as error:
        if error.code == 404:
            return None
        raise
