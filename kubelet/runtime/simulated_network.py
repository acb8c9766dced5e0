"""What probes and hooks of a simulated container hear: what the pod's annotations say, else what its program would answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from kubelet.runtime.behaviour import Behaviour
from kubelet.runtime.interface import ContainerConfig
from kubelet.runtime.programs import healthy_seconds, listens


class Listening(NamedTuple):
    """A container as the network sees it; `age` in seconds since its start."""

    config: ContainerConfig
    behaviour: Behaviour
    age: float


class SimulatedNetwork:
    """The Network of a SimulatedRuntime; `look` finds a container by its id, or raises NotFound."""

    def __init__(self, look: Callable[[str], Listening]) -> None:
        self._look = look

    async def http_get(
        self, container_id: str, url: str, headers: Sequence[tuple[str, str]], timeout: float, purpose: str
    ) -> tuple[int, str]:
        parts = urlsplit(url)
        if _serves(self._look(container_id), purpose, parts.hostname or "", parts.port or 80):
            return 200, "ok"
        return 500, "the server says that it is not well"

    async def tcp_connect(self, container_id: str, host: str, port: int, timeout: float, purpose: str) -> None:
        _listens(self._look(container_id), purpose, host, port)

    async def grpc_health(
        self, container_id: str, host: str, port: int, service: str, timeout: float, purpose: str
    ) -> bool:
        return _serves(self._look(container_id), purpose, host, port)


def _listens(container: Listening, purpose: str, host: str, port: int) -> bool:
    """Whether a connection is made: as told, else where the container's server is known to listen; OSError otherwise."""
    told = container.behaviour.answers_well(purpose, container.age)
    if told is False or (told is None and not listens(container.config, port)):
        raise ConnectionRefusedError(f"dial tcp {host}:{port}: connect: connection refused")
    return told is True


def _serves(container: Listening, purpose: str, host: str, port: int) -> bool:
    """Whether who listens answers well."""
    if container.behaviour.answers_well(purpose, container.age) is False:
        return False
    return _listens(container, purpose, host, port) or container.age < healthy_seconds(container.config)
