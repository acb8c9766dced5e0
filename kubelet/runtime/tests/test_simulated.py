"""The simulated runtime keeps CRI's rules and does what it is told."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from apiserver.apimachinery.clock import LoopClock, run_virtual
from apiserver.apimachinery.rand import Random
from kubelet.runtime.addresses import AddressPool, PoolExhausted
from kubelet.runtime.behaviour import KEYS
from kubelet.runtime.interface import ContainerConfig, ContainerRuntimeError, NotSupported, SandboxConfig
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
        assert (await runtime.network.http_get(container, url, (), 1, "liveness"))[0] == 200
        await asyncio.sleep(11)
        assert (await runtime.network.http_get(container, url, (), 1, "liveness"))[0] == 500
        await runtime.network.tcp_connect(container, "10.0.0.2", 8080, 1, "liveness")
        with pytest.raises(ConnectionRefusedError):
            await runtime.network.tcp_connect(container, "10.0.0.2", 81, 1, "liveness")

    run_virtual(main())


def test_what_needs_a_process_is_refused_with_the_way_out() -> None:
    async def main() -> None:
        runtime = runtime_of()
        container = await started(runtime, config())
        with pytest.raises(NotSupported, match=r"does not really run.*start a kubelet with a container runtime"):
            await runtime.exec(container, None)  # type: ignore[arg-type]

    run_virtual(main())


def test_a_word_that_it_does_not_know_is_refused_with_those_that_it_knows() -> None:
    async def main() -> None:
        runtime = runtime_of()
        with pytest.raises(
            ContainerRuntimeError, match=r"does not know simulated.*/run-second; it knows run-seconds, ex"
        ):
            await started(runtime, config(), run_second="5")
        await started(runtime, config(), **{"run_seconds.c": "5"})

    run_virtual(main())


def test_every_word_is_in_the_manual() -> None:
    manual = (Path(__file__).parents[3] / "docs" / "simulated-runtime.md").read_text()
    missing = [key for key in KEYS if not re.search(rf"`{key}[`:]", manual)]
    assert missing == []


def test_addresses_are_unique_and_come_back() -> None:
    pool = AddressPool("10.0.0.0/29")
    taken = [pool.take() for _ in range(5)]
    assert taken == [f"10.0.0.{i}" for i in range(2, 7)]
    with pytest.raises(PoolExhausted, match=r"no IP addresses available in range set: 10.0.0.0/29"):
        pool.take()
    pool.give_back("10.0.0.4")
    assert pool.take() == "10.0.0.4"
