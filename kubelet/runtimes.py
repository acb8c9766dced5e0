"""The container runtimes: one line each, by the scheme of `--container-runtime-endpoint`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.rand import Random
from kubelet.node.identity import NodeIdentity
from kubelet.runtime.interface import ContainerRuntime
from kubelet.runtime.simulated import SimulatedRuntime

RuntimeFor = Callable[[NodeIdentity, Clock, Random], ContainerRuntime]
SIMULATED = "simulated://"


class UnknownRuntime(ValueError):
    """An endpoint that no runtime has; the message says which there are."""


def simulated(endpoint: str, identity: NodeIdentity, clock: Clock, rand: Random) -> ContainerRuntime:
    return SimulatedRuntime(clock, rand, identity.fallback_cidr)


# scheme → makes the runtime of one node, from the whole endpoint
RUNTIMES: Mapping[str, Callable[[str, NodeIdentity, Clock, Random], ContainerRuntime]] = {
    "simulated": simulated,
}


def runtime_for(endpoint: str) -> RuntimeFor:
    """What makes the runtime of each node. Raises UnknownRuntime."""
    scheme, separator, _ = endpoint.partition("://")
    if not separator or scheme not in RUNTIMES:
        known = ", ".join(f"{name}://" for name in RUNTIMES)
        raise UnknownRuntime(f'"{endpoint}" is the endpoint of no container runtime; known are {known}')
    make = RUNTIMES[scheme]
    return lambda identity, clock, rand: make(endpoint, identity, clock, rand)
