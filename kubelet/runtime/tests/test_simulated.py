"""The simulated runtime keeps CRI's rules and does what it is told."""

from __future__ import annotations

import asyncio

import pytest

from apiserver.apimachinery.clock import LoopClock, run_virtual
from apiserver.apimachinery.rand import Random
from kubelet.runtime.addresses import AddressPool, PoolExhausted
from kubelet.runtime.interface import ContainerConfig, NotFound, NotSupported, SandboxConfig
from kubelet.runtime.simulated import SimulatedRuntime

AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.66"


def runtime_of() -> SimulatedRuntime:
    return SimulatedRuntime(LoopClock(asyncio.get_running_loop()), Random(1), "10.0.0.0/29")


def config(*args: str, image: str = "nginx", command: tuple[str, ...] = ()) -> ContainerConfig:
    return ContainerConfig(name="c", attempt=0, image=image, image_ref="", command=command, args=args)


async def started(runtime: SimulatedRuntime, wanted: ContainerConfig, **annotations: str) -> str:
    prefix = "simulated.pocketkube.dev/"
    told = {prefix + key.replace("_", "-"): value for key, value in annotations.items()}
    sandbox = await runtime.run_sandbox(SandboxConfig("uid", "ns", "p", annotations=told))
    container = await runtime.create_container(sandbox, wanted)
    await runtime.start_container(container)
    return container


def test_a_container_lives_in_a_ready_sandbox_and_its_end_is_remembered() -> None:
    async def main() -> None:
        runtime = runtime_of()
        container = await started(runtime, config())
        (sandbox,) = await runtime.sandboxes("uid")
        assert sandbox.ips == ("10.0.0.2",)
        await runtime.stop_sandbox(sandbox.id)
        (ended,) = await runtime.containers("uid")
        assert (ended.id, ended.state, ended.exit_code) == (container, "exited", 137)
        with pytest.raises(NotFound):
            await runtime.create_container(sandbox.id, config())
        await runtime.remove_sandbox(sandbox.id)
        assert await runtime.containers() == []

    run_virtual(main())


def test_what_was_handed_out_does_not_change() -> None:
    async def main() -> None:
        runtime = runtime_of()
        container = await started(runtime, config())
        (before,) = await runtime.containers("uid")
        await runtime.stop_container(container, 5)
        (after,) = await runtime.containers("uid")
        assert (before.state, after.state, after.exit_code) == ("running", "exited", 0)

    run_virtual(main())


def test_who_does_not_stop_in_time_is_killed() -> None:
    async def main() -> None:
        runtime, loop = runtime_of(), asyncio.get_running_loop()
        container = await started(runtime, config(), stop_seconds="60")
        await runtime.stop_container(container, 5)
        (ended,) = await runtime.containers("uid")
        assert (loop.time(), ended.exit_code) == (5, 137)

    run_virtual(main())


def test_every_change_is_told() -> None:
    async def main() -> None:
        runtime = runtime_of()
        events = runtime.events()
        await started(runtime, config("sleep 3", image="busybox", command=("sh", "-c")))
        told = [await anext(events) for _ in range(3)]  # the sandbox, the start, the end
        assert {event.pod_uid for event in told} == {"uid"}
        assert (await runtime.containers("uid"))[0].state == "exited"

    run_virtual(main())


def test_servers_answer_where_they_listen_and_as_long_as_they_are_well() -> None:
    async def main() -> None:
        runtime = runtime_of()
        container = await started(runtime, config("liveness", image=AGNHOST))
        url = "http://10.0.0.2:8080/healthz"
        assert (await runtime.http_get(container, url, (), 1, "liveness"))[0] == 200
        await asyncio.sleep(11)
        assert (await runtime.http_get(container, url, (), 1, "liveness"))[0] == 500
        await runtime.tcp_connect(container, "10.0.0.2", 8080, 1, "liveness")
        with pytest.raises(ConnectionRefusedError):
            await runtime.tcp_connect(container, "10.0.0.2", 81, 1, "liveness")

    run_virtual(main())


def test_what_needs_a_process_is_refused_with_the_way_out() -> None:
    async def main() -> None:
        runtime = runtime_of()
        container = await started(runtime, config())
        with pytest.raises(NotSupported, match=r"does not really run.*start a kubelet with a container runtime"):
            await runtime.exec(container, None)  # type: ignore[arg-type]

    run_virtual(main())


def test_addresses_are_unique_and_come_back() -> None:
    pool = AddressPool("10.0.0.0/29")
    taken = [pool.take() for _ in range(5)]
    assert taken == [f"10.0.0.{i}" for i in range(2, 7)]
    with pytest.raises(PoolExhausted, match=r"no IP addresses available in range set: 10.0.0.0/29"):
        pool.take()
    pool.give_back("10.0.0.4")
    assert pool.take() == "10.0.0.4"
