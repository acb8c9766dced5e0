"""`pocketkube scheduler`: the scheduler as a process of its own, with kube-scheduler's flag names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pocketkube import client_component
from pocketkube.client_component import ClientComponent, Given, Started

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apiserver.client.interface import Transport
    from apiserver.server.flags import Flag
    from controllers.scheduler.process import Options

USER = "system:kube-scheduler"


def _flags() -> Sequence[Flag]:
    from apiserver.server.flags import Flag, boolean, text

    return (
        Flag("config", "config", text, "A KubeSchedulerConfiguration: profiles, plugins and their arguments."),
        Flag("leader-elect", "leader_elect", boolean, "Wait for the lease before working (true)."),
    )


def _check(given: Given) -> None:
    from apiserver.server.flags import UsageError
    from controllers.scheduler.configuration import ConfigurationError, load

    if not given.get("config"):
        return
    try:
        given["configuration"] = load(Path(given["config"]).read_text())
    except (ConfigurationError, OSError) as e:
        raise UsageError(f"{given['config']}: {e}") from e


async def work(given: Given, transport: Transport, started: Started) -> None:
    """Schedule until cancelled. `given` has the flags by their names here."""
    from apiserver.apimachinery.clock import SystemClock
    from apiserver.apimachinery.rand import Random
    from controllers.scheduler.process import run

    await run(transport, SystemClock(), Random(), options(given, started))


def options(given: Given, started: Started) -> Options:
    from controllers.scheduler.configuration import Configuration
    from controllers.scheduler.process import Options

    return Options(
        identity=client_component.identity(),
        configuration=given.get("configuration") or Configuration(),
        leader_elect=given.get("leader_elect", True),
        started=started,
    )


COMPONENT = ClientComponent("scheduler", "Run the scheduler.", _flags, work, _check)
