"""`pocketkube controllers`: the loops as a process of their own, with kube-controller-manager's flag names."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pocketkube.readiness import Reporter, take_reporter

if TYPE_CHECKING:
    from apiserver.client.interface import Transport
    from controllers.process import Options

IDENTITY = "system:kube-controller-manager"


def controllers(arguments: list[str]) -> int:
    """Run the loops against the API server of a kubeconfig until told to stop."""
    reporter = take_reporter(arguments)
    from apiserver.server import flags
    from pocketkube import component
    from pocketkube.logs import set_up_logging

    table = (
        flags.Flag("kubeconfig", "kubeconfig", flags.text, "Where the API server is, and who we are to it."),
        flags.Flag(
            "controllers", "loops", flags.strings, "Loops to run: * for all, -name without one, name with it (*)."
        ),
        flags.Flag("root-ca-file", "root_ca_file", flags.text, "The authority that every namespace is told."),
        flags.Flag("leader-elect", "leader_elect", flags.boolean, "Wait for the lease before working (true)."),
        flags.Flag("v", "verbosity", flags.integer, "How much is logged: 0 (warnings) to 4.", short="v"),
    )
    if arguments in (["-h"], ["--help"]):
        print(f"Run the controllers.\n\nFlags, as kube-controller-manager has them:\n{flags.usage(table)}")
        return 0
    from apiserver.client.config import ConfigError
    from controllers.process import UnknownController, selected

    try:
        given = dict(flags.parse(table, arguments, "pocketkube controllers"))
        selected(given.get("loops") or ("*",))
        set_up_logging(given.pop("verbosity", 0))
        component.prepare_imports()
        component.run(lambda stop: _serve(given, stop, reporter), reporter.lifeline)
    except (flags.UsageError, ConfigError, UnknownController) as e:
        reporter.failed(str(e))
        return 1
    return 0


async def _serve(given: dict[str, Any], stop: asyncio.Event, reporter: Reporter) -> None:
    from apiserver.client.config import load_kubeconfig
    from apiserver.client.http_transport import HttpTransport
    from apiserver.server.flags import UsageError

    if not given.get("kubeconfig"):
        raise UsageError("name a kubeconfig: --kubeconfig FILE")
    config = load_kubeconfig(given["kubeconfig"])
    root_ca = Path(given["root_ca_file"]).read_bytes() if given.get("root_ca_file") else config.ca
    transport = HttpTransport(config)
    try:
        reporter.ready()
        await run_until(
            stop, transport, options(root_ca, given.get("loops") or ("*",), given.get("leader_elect", True))
        )
    finally:
        await transport.aclose()


def options(root_ca: bytes, loops: tuple[str, ...] = ("*",), leader_elect: bool = True) -> Options:
    from controllers.process import Options

    identity = f"{socket.gethostname()}_{os.getpid()}"
    settings = {"root_ca": root_ca.decode()}
    return Options(identity=identity, loops=loops, leader_elect=leader_elect, settings=settings)


async def run_until(stop: asyncio.Event, transport: Transport, options: Options) -> None:
    """Run the loops until `stop` is set; what makes them end by themselves is raised."""
    from apiserver.apimachinery.clock import SystemClock
    from apiserver.apimachinery.rand import Random
    from controllers.process import run

    working = asyncio.create_task(run(transport, SystemClock(), Random(), options), name="controllers")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
