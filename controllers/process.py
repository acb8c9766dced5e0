"""The `controllers` process: every loop over one client and shared informers, under one leader lease."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.rand import Random
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.client.informer import Informers
from apiserver.client.interface import Transport
from apiserver.client.leaderelection import LeaderElector, Terms
from apiserver.client.resources import Client
from controllers.framework import accounts
from controllers.framework.context import Accounts, Context
from controllers.framework.manager import Loop, Manager
from controllers.loops.registry import LOOPS, OFF_BY_DEFAULT

log = logging.getLogger(__name__)

# Seconds: who works sooner makes its own, and a cluster that starts has more urgent things to do (60 ms for all of them).
ACCOUNTS_AFTER = 1.0
LEASE = "kube-controller-manager"  # the Go one's: of both only one leads


class UnknownController(ValueError):
    """A name that --controllers does not know; the message names it."""


def selected(names: Sequence[str]) -> list[str]:
    """The loops that `names` asks for, in start order: `*` for all, `-name` leaves one out (upstream's --controllers).

    Raises UnknownController.
    """
    for name in names:
        if name != "*" and name.lstrip("-") not in LOOPS:
            raise UnknownController(f"{name!r} is not in the list of known controllers")
    everything = "*" in names

    def wanted(name: str) -> bool:
        return name in names or (everything and name not in OFF_BY_DEFAULT)

    return [name for name in LOOPS if f"-{name}" not in names and wanted(name)]


@dataclass
class Options:
    """`loops`: names as `--controllers` takes them. `settings`: what single loops read from their Context.
    `started` is called when the loops have their first state, or wait for another process's lease. `accounts`: how loops
    speak as their service accounts (None: all as the process itself)."""

    identity: str
    loops: Sequence[str] = ("*",)
    leader_elect: bool = True
    terms: Terms = field(default_factory=Terms)
    settings: dict[str, Any] = field(default_factory=dict)
    detect_mutations: bool = False
    started: Callable[[], None] = lambda: None
    accounts: Accounts | None = None


async def run(transport: Transport, clock: Clock, rand: Random, options: Options) -> None:
    """Work until cancelled. When the lease is lost everything stops, and the wait for it begins anew."""
    client = Client(transport, user_agent="kube-controller-manager/pocketkube")

    async def lead() -> None:
        informers = Informers(client, rand, detect_mutations=options.detect_mutations)
        context = Context(client, informers, clock, rand, dict(options.settings))
        names = selected(options.loops)
        manager = Manager(context, [_build(name, context, options.accounts) for name in names])
        tasks = TaskOwner("controllers")
        owned = [LOOPS[name].account for name in names] if options.accounts is not None else []
        tasks.create_task(_tell_started(client, owned, informers, options.started), name="tell-started")
        try:
            await manager.run()
        finally:
            await tasks.close()
            await context.close()

    if not options.leader_elect:
        await lead()
        return
    elector = LeaderElector(
        client,
        clock,
        rand,
        name=LEASE,
        identity=options.identity,
        terms=options.terms,
        on_standby=options.started,
    )
    while True:
        await elector.run(lead)
        log.warning("not leading any more", extra={"lease": LEASE})
        await asyncio.sleep(options.terms.retry_period)


def _build(name: str, context: Context, speak_as: Accounts | None) -> Loop:
    entry = LOOPS[name]
    return entry.build(context.under(entry.account, speak_as) if speak_as is not None and entry.account else context)


async def _tell_started(
    client: Client, owned: Sequence[str], informers: Informers, started: Callable[[], None]
) -> None:
    await informers.wait_synced()
    started()
    await asyncio.sleep(ACCOUNTS_AFTER)
    await accounts.ensure(client, [account for account in owned if account])
