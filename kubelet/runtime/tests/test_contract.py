"""The contract: what every ContainerRuntime promises the kubelet, whichever runs the containers.

A row of kubelet/runtimes.py joins by an endpoint in ENDPOINTS; the images are ones that any of them can pull or make up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from apiserver.apimachinery.clock import LoopClock, run_virtual
from apiserver.apimachinery.rand import Random
from kubelet.node.identity import NodeIdentity
from kubelet.runtime.interface import ContainerConfig, ContainerRuntime, NotFound, RuntimeEvent, SandboxConfig
from kubelet.runtimes import RUNTIMES, UnknownRuntime, runtime_for

ENDPOINTS = {"simulated": "simulated://"}
IMAGE = "nginx:1.27"
UID = "7f7ac2ea"

Body = Callable[[ContainerRuntime], Awaitable[None]]


@pytest.fixture(params=RUNTIMES)
def run(request: pytest.FixtureRequest) -> Callable[[Body], None]:
    def run_body(body: Body) -> None:
        async def main() -> None:
            make = runtime_for(ENDPOINTS[request.param])
            identity = NodeIdentity("n", addresses=("172.29.0.2",), fallback_cidr="10.128.0.0/24")
            runtime = make(identity, LoopClock(asyncio.get_running_loop()), Random(1))
            try:
                await body(runtime)
            finally:
                await runtime.aclose()

        run_virtual(main())

    return run_body


def config(name: str = "c", attempt: int = 0) -> ContainerConfig:
    return ContainerConfig(name=name, attempt=attempt, image=IMAGE, image_ref="")


async def sandbox_of(runtime: ContainerRuntime, uid: str = UID) -> str:
    return await runtime.run_sandbox(SandboxConfig(uid, "default", "pod"))


async def started(runtime: ContainerRuntime, sandbox: str, wanted: ContainerConfig) -> str:
    container = await runtime.create_container(sandbox, wanted)
    await runtime.start_container(container)
    return container


def test_an_image_is_there_once_it_is_pulled(run: Callable[[Body], None]) -> None:
    async def body(runtime: ContainerRuntime) -> None:
        assert await runtime.image(IMAGE) is None
        pulled = await runtime.pull_image(IMAGE, {})
        assert await runtime.image(IMAGE) == pulled
        assert "@sha256:" in pulled.ref
        await runtime.remove_image(pulled.ref)
        assert await runtime.images() == []

    run(body)


def test_a_container_goes_from_created_to_running_to_exited(run: Callable[[Body], None]) -> None:
    async def body(runtime: ContainerRuntime) -> None:
        await runtime.pull_image(IMAGE, {})
        container = await runtime.create_container(await sandbox_of(runtime), config())
        states = [(await runtime.containers(UID))[0].state]
        await runtime.start_container(container)
        states.append((await runtime.containers(UID))[0].state)
        await runtime.stop_container(container, 5)
        states.append((await runtime.containers(UID))[0].state)
        assert states == ["created", "running", "exited"]
        await runtime.stop_container(container, 5)  # nothing happens to one that has ended

    run(body)


def test_the_end_of_a_sandbox_ends_its_containers_and_is_remembered(run: Callable[[Body], None]) -> None:
    async def body(runtime: ContainerRuntime) -> None:
        await runtime.pull_image(IMAGE, {})
        sandbox = await sandbox_of(runtime)
        container = await started(runtime, sandbox, config())
        assert (await runtime.sandboxes(UID))[0].ips
        await runtime.stop_sandbox(sandbox)
        (ended,) = await runtime.containers(UID)
        assert (ended.id, ended.state, ended.exit_code) == (container, "exited", 137)
        with pytest.raises(NotFound):
            await runtime.create_container(sandbox, config())
        await runtime.remove_sandbox(sandbox)
        assert (await runtime.containers(), await runtime.sandboxes()) == ([], [])

    run(body)


def test_lists_are_of_one_pod_or_of_all_and_begin_with_the_newest(run: Callable[[Body], None]) -> None:
    async def body(runtime: ContainerRuntime) -> None:
        await runtime.pull_image(IMAGE, {})
        sandbox = await sandbox_of(runtime)
        first = await started(runtime, sandbox, config())
        await runtime.stop_container(first, 0)
        second = await started(runtime, sandbox, config(attempt=1))
        await sandbox_of(runtime, "another")
        assert [each.id for each in await runtime.containers(UID)] == [second, first]
        assert [each.pod_uid for each in await runtime.sandboxes()] == ["another", UID]
        assert await runtime.containers("unknown") == []

    run(body)


def test_what_was_handed_out_does_not_change(run: Callable[[Body], None]) -> None:
    async def body(runtime: ContainerRuntime) -> None:
        await runtime.pull_image(IMAGE, {})
        container = await started(runtime, await sandbox_of(runtime), config())
        (before,) = await runtime.containers(UID)
        await runtime.stop_container(container, 5)
        (after,) = await runtime.containers(UID)
        assert (before.state, after.state) == ("running", "exited")

    run(body)


def test_changes_are_told_where_events_are_promised(run: Callable[[Body], None]) -> None:
    async def body(runtime: ContainerRuntime) -> None:
        if not runtime.emits_events:
            return
        events = runtime.events()
        await sandbox_of(runtime)
        async with asyncio.timeout(5):
            assert await anext(events) == RuntimeEvent(UID)

    run(body)


def test_what_is_unknown_is_not_found(run: Callable[[Body], None]) -> None:
    async def body(runtime: ContainerRuntime) -> None:
        with pytest.raises(NotFound):
            await runtime.start_container("unknown")
        with pytest.raises(NotFound):
            await runtime.create_container("unknown", config())

    run(body)


def test_an_endpoint_of_no_runtime_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        UnknownRuntime, match=r'"docker" is the endpoint of no container runtime; known are simulated://'
    ):
        runtime_for("docker")
