"""What the components that work over the API have in common: their flags, their client, the wait for the server, their end."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pocketkube.readiness import Reporter, take_reporter

if TYPE_CHECKING:
    from apiserver.client.interface import Transport
    from apiserver.server.flags import Flag

AT_ONCE = 32  # requests; more bring the server nothing that it could do faster
SERVER_POLL = 0.02  # seconds between two looks for an API server that is not there yet

Started = Callable[[], None]  # called once, when the component does its work
Given = dict[str, Any]


class ClientComponent(NamedTuple):
    """A component to run alone: `work(given, transport, started)` until cancelled, after `check(given)` let it pass."""

    name: str
    about: str
    flags: Callable[[], Sequence[Flag]]
    work: Callable[[Given, Transport, Started], Coroutine[Any, Any, None]]
    check: Callable[[Given], None] = lambda given: None

    def given(self, arguments: Sequence[str]) -> Given:
        """What a command line says, checked. Raises UsageError."""
        from apiserver.server import flags

        given = dict(flags.parse((*_common_flags(), *self.flags()), arguments, f"pocketkube {self.name}"))
        self.check(given)
        return given


def identity() -> str:
    """Who holds a lease: this process."""
    return f"{socket.gethostname()}_{os.getpid()}"


def main(component: ClientComponent, arguments: list[str]) -> int:
    """Run the component against the API server of a kubeconfig until told to stop; its exit code."""
    reporter = take_reporter(arguments)
    from apiserver.server import flags
    from pocketkube import component as process
    from pocketkube.logs import set_up_logging

    if arguments in (["-h"], ["--help"]):
        print(
            f"{component.about}\n\nFlags, as the Kubernetes component has them:\n{flags.usage((*_common_flags(), *component.flags()))}"
        )
        return 0
    from apiserver.client.config import ConfigError

    try:
        given = component.given(arguments)
        set_up_logging(given.pop("verbosity", 0))
        process.prepare_imports()
        process.run(lambda stop: _serve(component, given, stop, reporter), reporter.lifeline)
    except (flags.UsageError, ConfigError) as e:
        reporter.failed(str(e))
        return 1
    return 0


def _common_flags() -> tuple[Flag, ...]:
    from apiserver.server.flags import Flag, integer, text

    return (
        Flag("kubeconfig", "kubeconfig", text, "Where the API server is, and who we are to it."),
        Flag("v", "verbosity", integer, "How much is logged: 0 (warnings) to 4.", short="v"),
    )


async def _serve(component: ClientComponent, given: Given, stop: asyncio.Event, reporter: Reporter) -> None:
    from apiserver.client.config import load_kubeconfig
    from apiserver.client.http_transport import HttpTransport
    from apiserver.server.flags import UsageError

    if not given.get("kubeconfig"):
        raise UsageError("name a kubeconfig: --kubeconfig FILE")
    transport = HttpTransport(load_kubeconfig(given["kubeconfig"]))

    async def work() -> None:
        await wait_for_server(transport)
        await component.work(given, lane(transport), reporter.ready)

    try:
        await until(stop, work(), component.name)
    finally:
        await transport.aclose()


def lane(transport: Transport) -> Transport:
    """What a component's own requests go through."""
    from apiserver.client.lanes import LEASES, WATCHES, Lane

    return Lane(transport, AT_ONCE, beside=(WATCHES, LEASES))


async def wait_for_server(transport: Transport) -> None:
    """Return when the API server says that it is ready. Ends by cancellation only."""
    while not await _is_ready(transport):  # noqa: ASYNC110  # the other end is another process
        await asyncio.sleep(SERVER_POLL)


async def _is_ready(transport: Transport) -> bool:
    try:
        response = await transport.send("GET", "/readyz")
        await response.read()
    except (ConnectionError, TimeoutError, OSError):
        return False
    return response.status == 200


async def until(stop: asyncio.Event, work: Coroutine[Any, Any, None], name: str) -> None:
    """Run `work` until `stop` is set; what makes it end by itself is raised."""
    working = asyncio.create_task(work, name=name)
    stopping = asyncio.create_task(stop.wait(), name=f"{name}-stop")
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


async def all_of(works: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
    """Run several parts side by side; when one ends, the others are stopped and its error is raised."""
    async with asyncio.TaskGroup() as group:
        for name, work in works.items():
            group.create_task(_as_coroutine(work), name=name)


async def _as_coroutine(work: Callable[[], Awaitable[None]]) -> None:
    await work()
