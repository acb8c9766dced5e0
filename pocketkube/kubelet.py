"""`pocketkube kubelet`: the node agent as a process of its own, with the kubelet's flag names where it has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pocketkube.client_component import ClientComponent, Given, Started

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apiserver.apimachinery.clock import Clock
    from apiserver.apimachinery.rand import Random
    from apiserver.client.interface import Transport
    from apiserver.server.flags import Flag
    from kubelet.process import Options, TransportFor

BOOTSTRAP_USER = "system:bootstrap:pocketkube"
BOOTSTRAP_GROUP = "system:bootstrappers:pocketkube:node"
BOOTSTRAP_GROUPS = ("system:bootstrappers", BOOTSTRAP_GROUP)


def _flags() -> Sequence[Flag]:
    from apiserver.server.flags import Flag, integer, text

    return (
        Flag("bootstrap-kubeconfig", "kubeconfig", text, "Where the API server is, and who may ask for certificates."),
        Flag("cert-dir", "cert_dir", text, "Where the nodes' certificates are kept."),
        Flag("node-name", "node_name", text, "The node's name; of several, what they begin with (node)."),
        Flag(
            "client-ca-file",
            "client_ca_file",
            text,
            "Who may ask the nodes for their pods and statistics; none: they serve nothing.",
        ),
        Flag("address", "address", text, "Where the nodes serve (127.0.0.1)."),
        Flag("port", "port", integer, "On which port (10250, or one that is free)."),
        Flag("container-runtime-endpoint", "container_runtime_endpoint", text, "What runs containers (simulated://)."),
        Flag("simulated-nodes", "simulated_nodes", integer, "How many simulated nodes to run (1)."),
    )


def _check(given: Given) -> None:
    from apiserver.server.flags import UsageError
    from kubelet.runtimes import UnknownRuntime, runtime_for

    try:
        runtime_for(options(given).container_runtime_endpoint)
    except UnknownRuntime as e:
        raise UsageError(f"--container-runtime-endpoint: {e}") from e


async def work(given: Given, transport: Transport, started: Started) -> None:
    """Run the nodes until cancelled. `transport` is the bootstrapper's; each node gets one with its own certificate."""
    from apiserver.apimachinery.clock import SystemClock
    from apiserver.apimachinery.rand import Random
    from apiserver.client.config import load_kubeconfig
    from kubelet.certificates import Certificates

    config = load_kubeconfig(given["kubeconfig"])
    certificates = Certificates(config, transport, given.get("cert_dir") or "", SystemClock())
    await run_nodes(certificates.transport_for, SystemClock(), Random(), options(given), started)


async def run_nodes(
    transport_for: TransportFor, clock: Clock, rand: Random, options: Options, started: Started
) -> None:
    """Run the nodes until cancelled; `started` is called when the API server knows all of them."""
    import asyncio

    from kubelet.process import running

    async with running(transport_for, clock, rand, options) as nodes:
        registering = asyncio.ensure_future(nodes.nodes.wait_registered())
        ended = asyncio.ensure_future(nodes.wait_ended())
        await asyncio.wait({registering, ended}, return_when=asyncio.FIRST_COMPLETED)
        if registering.done():
            started()
        await ended


def options(given: Given) -> Options:
    from pathlib import Path

    from kubelet.process import Options

    return Options(
        node_name=given.get("node_name") or "node",
        simulated_nodes=given.get("simulated_nodes", 1),
        container_runtime_endpoint=given.get("container_runtime_endpoint") or Options.container_runtime_endpoint,
        server=server_options(given.get("client_ca_file") or "", given.get("address") or "", given.get("port") or 0),
        cert_dir=Path(given["cert_dir"]) if given.get("cert_dir") else Options.cert_dir,
    )


def server_options(client_ca_file: str, address: str = "", port: int = 0) -> Any:
    """Where the nodes serve; None without an authority that tells who asks."""
    from kubelet.node.server.access import ServerOptions

    if not client_ca_file:
        return None
    host = address or "127.0.0.1"
    return ServerOptions(host=host, port=port or 10250, or_any_port=not port, client_ca_file=client_ca_file)


ABOUT = "Run a node: simulated nodes, each with an identity of its own."
COMPONENT = ClientComponent("kubelet", ABOUT, _flags, work, _check)
