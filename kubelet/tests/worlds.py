"""A server and simulated nodes in virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from apiserver.apimachinery.clock import LoopClock
from apiserver.apimachinery.http import UserInfo
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.client.interface import Transport
from apiserver.client.transport import LoopbackTransport
from apiserver.server.tests.worlds import World, world
from kubelet.node.identity import GROUP, NodeIdentity
from kubelet.node.kubelet import Kubelet
from kubelet.process import Nodes, Options, TransportFor, running

BUSYBOX, NGINX = "busybox:1.37", "nginx:1.27"


class NodeWorld:
    """What tests do with it: create and read pods, wait, look at events."""

    def __init__(
        self, world: World, nodes: Nodes, requests: list[tuple[str, str]], transport_for: TransportFor
    ) -> None:
        self.transport_for = transport_for
        self.world = world
        self.nodes = nodes
        self.requests = requests  # of the kubelets: (method, target)

    @property
    def kubelet(self) -> Kubelet:
        """The first node's."""
        return next(iter(self.nodes.kubelets.values()))

    async def ask(self, method: str, target: str, body: Any = None, **headers: str) -> Object:
        status, answer = await self.world.ask(method, target, body, **headers)
        assert status < 300, (status, answer)
        return answer  # type: ignore[no-any-return]

    async def create(self, pod: Object) -> Object:
        return await self.ask("POST", "/api/v1/namespaces/default/pods", pod)

    async def pod(self, name: str = "p") -> Object | None:
        status, answer = await self.world.ask("GET", f"/api/v1/namespaces/default/pods/{name}")
        return answer if status == 200 else None

    async def status(self, name: str = "p") -> Object:
        pod = await self.pod(name)
        assert pod is not None
        return pod["status"]  # type: ignore[no-any-return]

    async def delete(self, name: str = "p", grace: int | None = None) -> None:
        query = "" if grace is None else f"?gracePeriodSeconds={grace}"
        await self.ask("DELETE", f"/api/v1/namespaces/default/pods/{name}{query}")

    async def wait(self, holds: Callable[[Object | None], bool], name: str = "p", timeout: float = 600) -> Object:
        """The pod as soon as `holds` of it; the pod that is gone is an empty one."""
        try:
            async with asyncio.timeout(timeout):
                while not holds(pod := await self.pod(name)):  # noqa: ASYNC110  # a test looks from outside
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(json.dumps(await self.pod(name), indent=1)) from None
        return pod or {}

    async def wait_phase(self, phase: str, name: str = "p", timeout: float = 600) -> Object:
        return await self.wait(lambda pod: pod is not None and pod["status"]["phase"] == phase, name, timeout)

    async def wait_gone(self, name: str = "p", timeout: float = 600) -> None:
        await self.wait(lambda pod: pod is None, name, timeout)

    async def events(self, name: str = "p") -> list[tuple[str, str, str]]:
        """(type, reason, message) of the events about a pod, in the order they were written."""
        found = await self.ask("GET", f"/api/v1/namespaces/default/events?fieldSelector=involvedObject.name={name}")
        items = sorted(found["items"], key=lambda item: int(item["metadata"]["resourceVersion"]))
        return [(item["type"], item["reason"], item["message"]) for item in items]


def pod_of(
    *containers: Object,
    name: str = "p",
    node: str = "node",
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> Object:
    """A pod that is bound already; without containers it has one that runs for ever."""
    listed = list(containers) or [container()]
    meta: Object = {"name": name, "annotations": annotations or {}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {"nodeName": node, "containers": listed, **spec},
    }


def container(command: Sequence[str] | str = "", name: str = "c", image: str = "", **fields: Any) -> Object:
    """A container; a text is a shell's script."""
    words = ["sh", "-c", command] if isinstance(command, str) and command else list(command)
    made: Object = {"name": name, "image": image or (BUSYBOX if words else NGINX), **fields}
    return made | {"command": words} if words else made


def simulated(**settings: str) -> dict[str, str]:
    """Annotations that drive the simulator; `_` stands for `-`."""
    return {f"simulated.pocketkube.dev/{key.replace('_', '-')}": value for key, value in settings.items()}


class _Counting:
    """A transport that notes what goes through it."""

    def __init__(self, inner: LoopbackTransport, requests: list[tuple[str, str]]) -> None:
        self._inner = inner
        self._requests = requests

    async def send(
        self, method: str, target: str, *, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> Any:
        self._requests.append((method, target))
        return await self._inner.send(method, target, headers=headers, body=body)

    async def aclose(self) -> None:
        await self._inner.aclose()


@asynccontextmanager
async def node_world(
    options: Options | None = None, seed: int = 1, server_options: Mapping[str, Any] | None = None
) -> AsyncIterator[NodeWorld]:
    """A ready server and registered nodes; run it inside `run_virtual`."""
    clock, requests = LoopClock(asyncio.get_running_loop()), list[tuple[str, str]]()
    given = {"enable_admission_plugins": ("NodeRestriction",), **(server_options or {})}
    async with world(seed, given) as server:

        async def transport_for(identity: NodeIdentity) -> Transport:
            user = UserInfo(identity.user, (GROUP, "system:authenticated"))
            return _Counting(LoopbackTransport(server.server.handler, user=user), requests)

        await _service_account(server)
        async with running(transport_for, clock, Random(seed), options or Options()) as started:
            await started.nodes.wait_registered()
            yield NodeWorld(server, started.nodes, requests, transport_for)


async def _service_account(server: World) -> None:
    """What the controllers make in a namespace; without them the tests do."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    authority = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "kube-root-ca.crt"},
        "data": {"ca.crt": ""},
    }
    for path, body in (("serviceaccounts", account), ("configmaps", authority)):
        await server.ask("POST", f"/api/v1/namespaces/default/{path}", body)
