"""The `scheduler` process: informers, cache, queue and profiles under one leader lease."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.rand import Random
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.client.informer import Informers
from apiserver.client.interface import Transport
from apiserver.client.leaderelection import LeaderElector
from apiserver.client.resources import Client
from controllers.scheduler.configuration import Configuration
from controllers.scheduler.framework.listers import Listers
from controllers.scheduler.scheduler import Scheduler

log = logging.getLogger(__name__)


@dataclass
class Options:
    """`configuration`: from `configuration.load(text)`. `leader_elect` stands where the file says nothing; `host` names
    this process in its events (empty: the host's name). `started` is called when it schedules, or waits for another
    process's lease."""

    identity: str
    configuration: Configuration = field(default_factory=Configuration)
    leader_elect: bool = True
    host: str = ""
    detect_mutations: bool = False
    started: Callable[[], None] = lambda: None


async def run(transport: Transport, clock: Clock, rand: Random, options: Options) -> None:
    """Work until cancelled. When the lease is lost everything stops, and the wait for it begins anew."""
    client = Client(transport, user_agent="kube-scheduler/pocketkube")
    configuration = options.configuration

    async def lead() -> None:
        informers = Informers(client, rand, detect_mutations=options.detect_mutations)
        host = options.host or socket.gethostname()
        scheduler = Scheduler(client, Listers(informers), clock, rand, configuration, host=host)
        tasks = TaskOwner("scheduler process")
        informers.start()
        try:
            await tasks.create_task(scheduler.run(options.started), name="scheduler")
        finally:
            await tasks.close()
            await informers.close()

    elect = options.leader_elect if configuration.leader_elect is None else configuration.leader_elect
    if not elect:
        await lead()
        return
    elector = LeaderElector(
        client,
        clock,
        rand,
        name=configuration.lease_name,
        namespace=configuration.lease_namespace,
        identity=options.identity,
        terms=configuration.terms,
        on_standby=options.started,
    )
    while True:
        await elector.run(lead)
        log.warning("not leading any more", extra={"lease": configuration.lease_name})
        await asyncio.sleep(configuration.terms.retry_period)
