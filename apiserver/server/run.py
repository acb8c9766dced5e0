"""An API server as a process or a part of one: storage, server and front come up in order and go down in reverse."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from apiserver.apimachinery.clock import Clock, SystemClock
from apiserver.server.flags import UsageError
from apiserver.server.front import Front
from apiserver.server.lag import LagMeter
from apiserver.server.memory import Trimmer
from apiserver.server.opening import open_storage
from apiserver.server.options import Options
from apiserver.server.server import APIServer
from apiserver.server.tls import server_context
from apiserver.storage.interface import Storage

log = logging.getLogger(__name__)

SWITCH_INTERVAL = 0.0005  # seconds; cuts the wait of the storage's thread for the interpreter from 288 to 57 ms (p99)
GC_THRESHOLDS = (10_000, 100, 20)  # a young collection of 50,000 objects held the loop for 20 ms, one of these for 4


class Serving:
    """A server that answers: its port, its parts."""

    def __init__(self, server: APIServer, front: Front, port: int) -> None:
        self.server = server
        self.front = front
        self.port = port


@asynccontextmanager
async def serving(
    options: Options, clock: Clock | None = None, storage: Storage | None = None
) -> AsyncIterator[Serving]:
    """Serve from entry to exit, over the given storage instead of the one that the options name.

    At the exit: no new connections, watches end, requests finish, storage closes.
    """
    clock = clock or SystemClock()
    loop = asyncio.get_running_loop()
    context = server_context(*certificates(options), client_authorities(options))
    storage = storage or await open_storage(options, clock)
    try:
        server = APIServer(options, storage, clock=clock)
        await server.start()
        front = Front(server.handler, loop=loop)
        meter, trimmer = LagMeter(loop, server.metrics.lag), Trimmer(loop, front.connections)
        try:
            port = await _listen(front, options, context)
            yield Serving(server, front, port)
        finally:
            meter.close()
            await trimmer.close()
            server.begin_stop()
            await front.stop_accepting()
            await server.finish_requests(options.shutdown_grace)
            await server.stop()
            await front.stop(options.shutdown_grace)
    finally:
        await storage.close()


async def _listen(front: Front, options: Options, context: object) -> int:
    host = "" if options.bind_address in ("0.0.0.0", "::") else options.bind_address
    try:
        return await front.listen(host, options.secure_port, context)  # type: ignore[arg-type]
    except OSError as e:
        where = f"{options.bind_address}:{options.secure_port}"
        raise UsageError(f"cannot listen on {where}: {e.strerror or e}; choose another --secure-port") from e


def certificates(options: Options) -> tuple[str, str]:
    """Serving certificate and key; without any given, a self-signed pair in --cert-dir, as upstream makes one."""
    if options.tls_cert_file:
        return options.tls_cert_file, options.tls_private_key_file
    from apiserver.server.selfsigned import ensure_self_signed

    names = [n for n in (options.external_hostname, options.advertise_address, options.bind_address) if n]
    return ensure_self_signed(Path(options.cert_dir), names)


def client_authorities(options: Options) -> list[str]:
    """Whose client certificates get through the handshake: users' and front proxies'."""
    files = [f for f in (options.client_ca_file, options.requestheader_client_ca_file) if f]
    return [options.read(path).decode() for path in files]


def tune() -> None:
    """Once the server is up: what lives until the end is no garbage collector's business."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
