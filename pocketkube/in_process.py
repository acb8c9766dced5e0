"""Everything in one process: the components as tasks over the server's handler, without sockets between them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pocketkube import addons, component, controllers, kubelet, nodes
from pocketkube.client_component import Given, until
from pocketkube.errors import LauncherError
from pocketkube.parts import Part, UpOptions, node_count, wanted
from pocketkube.pki import Pki
from pocketkube.places import Places
from pocketkube.steps import say, step

if TYPE_CHECKING:
    from apiserver.apimachinery.http import Handler
    from controllers.framework.context import Accounts

ADMIN, MASTERS = "kubernetes-admin", "system:masters"


def run(
    options: UpOptions, places: Places, pki: Pki, arguments: list[str], url: str, tell_up: Callable[[], None]
) -> int:
    """Serve until a signal comes; `arguments` are the API server's."""
    from apiserver.server.flags import UsageError
    from apiserver.server.options import parse_options
    from pocketkube.logs import set_up_logging

    set_up_logging(options.verbosity)
    component.prepare_imports()

    async def main(stop: asyncio.Event) -> None:
        from apiserver.server.run import serving, tune

        with step("API server is ready on") as more:
            running = serving(parse_options(arguments))
            entered = await running.__aenter__()
            await entered.server.wait_ready()
            more.append(url)

        async def work() -> None:
            async with parts_running(entered.server.handler, options, places, pki):
                tell_up()
                tune()
                await asyncio.Event().wait()

        try:
            await until(stop, work(), "cluster")
            say("\nStopping …")
        finally:
            await running.__aexit__(None, None, None)

    try:
        component.run(main)
    except UsageError as e:
        raise LauncherError(str(e)) from e
    return 0


@asynccontextmanager
async def parts_running(handler: Handler, options: UpOptions, places: Places, pki: Pki) -> AsyncIterator[None]:
    """The wanted components at work, all of them started. What makes one end by itself is raised at the exit."""
    from apiserver.apimachinery.tasks import TaskOwner

    parts = wanted(options)
    if parts:
        await _ensure_addons(handler)
    tasks = TaskOwner("components")
    try:
        running: list[asyncio.Task[None]] = []
        for part in parts:
            with step(part.title):
                running.append(await _start(part, tasks, handler, options, places, pki))
        if count := node_count(options):
            with step(f"{count} node{'s' if count > 1 else ''} ready"):
                await _wait_nodes(handler, count)
        yield
        for task in running:
            if task.done():
                task.result()
    finally:
        await tasks.close()


async def _start(
    part: Part, tasks: Any, handler: Handler, options: UpOptions, places: Places, pki: Pki
) -> asyncio.Task[None]:
    """The part's task, once it does its work."""
    started = asyncio.Event()
    given = part.component.given(part.arguments(options, places, pki))
    work = WORKS.get(part.name, _work)
    task: asyncio.Task[None] = tasks.create_task(work(part, handler, given, started.set), name=part.name)
    waiting = asyncio.ensure_future(started.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()
        raise LauncherError(f"{part.name} ended while it started")
    return task


Work = Callable[[Part, "Handler", Given, Callable[[], None]], Coroutine[Any, Any, None]]


async def _work(part: Part, handler: Handler, given: Given, started: Callable[[], None]) -> None:
    async with _loopback(handler, part.leaf.common_name, part.leaf.organizations) as transport:
        await part.component.work(given, transport, started)


async def _controllers(part: Part, handler: Handler, given: Given, started: Callable[[], None]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        transport = await stack.enter_async_context(_loopback(handler, part.leaf.common_name))
        accounts = await stack.enter_async_context(_accounts(handler))
        await controllers.run(given, transport, started, accounts)


async def _kubelet(part: Part, handler: Handler, given: Given, started: Callable[[], None]) -> None:
    """Each node is known by its name; nobody has to prove anything within one process."""
    from apiserver.apimachinery.clock import SystemClock
    from apiserver.apimachinery.http import UserInfo
    from apiserver.apimachinery.rand import Random
    from apiserver.client.interface import Transport
    from apiserver.client.transport import LoopbackTransport
    from kubelet.node.identity import GROUP, NodeIdentity

    async def transport_for(identity: NodeIdentity) -> Transport:
        return LoopbackTransport(handler, user=UserInfo(identity.user, (GROUP, "system:authenticated")))

    await kubelet.run_nodes(transport_for, SystemClock(), Random(), kubelet.options(given), started)


# Components that are several clients of the server.
WORKS: dict[str, Work] = {"controllers": _controllers, "kubelet": _kubelet}


@asynccontextmanager
async def _accounts(handler: Handler) -> AsyncIterator[Accounts]:
    """How loops speak as their service accounts: by name, as nodes do."""
    from apiserver.apimachinery.http import UserInfo
    from apiserver.client.transport import LoopbackTransport
    from controllers.framework.accounts import groups, username

    made: list[LoopbackTransport] = []

    def speak_as(account: str) -> LoopbackTransport:
        made.append(LoopbackTransport(handler, user=UserInfo(username(account), groups())))
        return made[-1]

    try:
        yield speak_as
    finally:
        for transport in made:
            await transport.aclose()


@asynccontextmanager
async def _loopback(handler: Handler, user: str, groups: tuple[str, ...] = ()) -> AsyncIterator[Any]:
    from apiserver.apimachinery.http import UserInfo
    from apiserver.client.transport import LoopbackTransport

    transport = LoopbackTransport(handler, user=UserInfo(user, (*groups, "system:authenticated")))
    try:
        yield transport
    finally:
        await transport.aclose()


async def _wait_nodes(handler: Handler, count: int) -> None:
    try:
        async with asyncio.timeout(nodes.PATIENCE), _loopback(handler, ADMIN, (MASTERS,)) as transport:
            while not nodes.enough(await (await transport.send("GET", nodes.PATH)).read(), count):  # noqa: ASYNC110
                await asyncio.sleep(nodes.POLL)
    except TimeoutError as e:
        raise LauncherError(f"the nodes are not ready after {nodes.PATIENCE:.0f} s") from e


async def _ensure_addons(handler: Handler) -> None:
    import json

    async with _loopback(handler, ADMIN, (MASTERS,)) as transport:
        for obj in addons.objects():
            headers = [("Content-Type", "application/json")]
            response = await transport.send("POST", addons.path_of(obj), headers=headers, body=json.dumps(obj).encode())
            answer = await response.read()
            if response.status not in (201, 409):
                raise LauncherError(f"{obj['metadata']['name']}: {answer.decode(errors='replace')}")
