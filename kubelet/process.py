"""The `kubelet` process: one node, or many simulated ones, each with an identity, a client and watches of its own."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.rand import Random
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.client.interface import Transport
from apiserver.client.lanes import Lane
from apiserver.client.resources import Client
from kubelet.node.identity import CAPACITY, NodeIdentity
from kubelet.node.kubelet import Kubelet
from kubelet.runtimes import SIMULATED, RuntimeFor, runtime_for

if TYPE_CHECKING:
    from kubelet.node.server.access import ServerOptions

log = logging.getLogger(__name__)

USER_AGENT = "kubelet/pocketkube"
AT_ONCE = 16  # nodes that register at the same time
WRITES, EVENTS = 2, 1  # requests of one node under way at once: each costs a connection over HTTP

TransportFor = Callable[[NodeIdentity], Awaitable[Transport]]


@dataclass(frozen=True)
class Options:
    """`simulated_nodes` nodes named `node_name`, or `<node_name>-1`, … when there are several (or `names` as given).

    Node i gets the i-th address of `node_cidr` and the i-th /24 of `fallback_pod_cidr`.
    """

    node_name: str = "node"
    simulated_nodes: int = 1
    names: Sequence[str] = ()
    node_cidr: str = "172.29.0.0/16"
    fallback_pod_cidr: str = "10.128.0.0/9"
    capacity: Mapping[str, str] = field(default_factory=lambda: CAPACITY)
    reserved: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Mapping[str, str]] = ()
    container_runtime_endpoint: str = SIMULATED
    pod_manifest_path: Path | None = None  # a directory of static pods, for the first node
    server: ServerOptions | None = None  # None: nothing is served (and nothing listens, as virtual time needs it)
    cert_dir: Path = Path("/var/lib/kubelet/pki")  # where the server's own certificate is kept when none is given

    def identities(self) -> list[NodeIdentity]:
        count = self.simulated_nodes
        names = self.names or ([self.node_name] if count == 1 else [f"{self.node_name}-{i + 1}" for i in range(count)])
        hosts, pods = ipaddress.ip_network(self.node_cidr), ipaddress.ip_network(self.fallback_pod_cidr)
        return [
            NodeIdentity(
                name=name,
                addresses=(str(hosts[i + 2]),),
                fallback_cidr=f"{pods[i * 256]}/24",
                capacity=self.capacity,
                reserved=self.reserved,
                labels=self.labels,
                taints=self.taints,
            )
            for i, name in enumerate(names)
        ]


@dataclass
class Nodes:
    """The nodes of this process, by name."""

    kubelets: dict[str, Kubelet] = field(default_factory=dict)
    registered: dict[str, asyncio.Event] = field(default_factory=dict)

    async def wait_registered(self) -> None:
        """Return when every node is known to the API server."""
        for event in self.registered.values():
            await event.wait()


async def run(
    transport_for: TransportFor,
    clock: Clock,
    rand: Random,
    options: Options,
    *,
    nodes: Nodes | None = None,
) -> None:
    """Work until cancelled. `nodes` is filled for who wants to look in."""
    async with running(transport_for, clock, rand, options, nodes=nodes) as started:
        await started.wait_ended()


class Running:
    """What runs between entering and leaving `running`."""

    def __init__(self, nodes: Nodes, tasks: list[asyncio.Task[None]]) -> None:
        self.nodes = nodes
        self._tasks = tasks

    async def wait_ended(self) -> None:
        """Returns only by an exception: a node never ends by itself."""
        await asyncio.gather(*self._tasks)


@asynccontextmanager
async def running(
    transport_for: TransportFor,
    clock: Clock,
    rand: Random,
    options: Options,
    *,
    nodes: Nodes | None = None,
) -> AsyncIterator[Running]:
    """The nodes at work; they stop when the block is left. Raises UnknownRuntime."""
    make_runtime = runtime_for(options.container_runtime_endpoint)
    nodes = nodes if nodes is not None else Nodes()
    tasks, gate = TaskOwner("kubelets"), asyncio.Semaphore(AT_ONCE)
    identities = options.identities()
    server = None
    if options.server is not None:
        from kubelet.node.server.server import KubeletServer  # aiohttp's server: only where one is wanted

        server = KubeletServer(options.server, nodes.kubelets, options.cert_dir)
        await server.start()
        identities = [replace(i, server_name=f"{i.name}.localhost", server_port=server.port) for i in identities]
    nodes.registered |= {identity.name: asyncio.Event() for identity in identities}
    try:
        started = [
            tasks.create_task(
                _run_node(
                    identity, transport_for, clock, Random(rand.getrandbits(64)), make_runtime, nodes, gate, options
                ),
                name=f"kubelet-{identity.name}",
            )
            for identity in identities
        ]
        yield Running(nodes, started)
    finally:
        await tasks.close()
        if server is not None:
            await server.aclose()


async def _run_node(
    identity: NodeIdentity,
    transport_for: TransportFor,
    clock: Clock,
    rand: Random,
    make_runtime: RuntimeFor,
    nodes: Nodes,
    gate: asyncio.Semaphore,
    options: Options,
) -> None:
    async with gate:
        transport = await transport_for(identity)
    try:
        client, events = (Client(Lane(transport, most), user_agent=USER_AGENT) for most in (WRITES, EVENTS))
        static = options.pod_manifest_path if not nodes.kubelets else None
        kubelet = Kubelet(identity, client, events, make_runtime(identity, clock, rand), clock, rand, static)
        nodes.kubelets[identity.name] = kubelet
        await kubelet.run(gate, nodes.registered[identity.name])
    finally:
        await transport.aclose()
