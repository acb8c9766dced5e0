"""Start and memory: of a server that has nothing to do, and of one that has been through the rows before."""

from __future__ import annotations

import asyncio

from conformance.benchmark.connection import request_bytes
from conformance.benchmark.load import Bench
from conformance.benchmark.rows.row import Fact, Row

SETTLES = 2.0  # seconds until a server that is ready has done what it begins with
RESTS = 10.0  # seconds until a server has given back what its last load took
_LAG = "pocketkube_loop_lag_seconds_bucket"
_SHARE = 0.99


async def _start(bench: Bench) -> float:
    """Process start to /readyz."""
    return bench.target.ready_after


async def _idle(bench: Bench) -> float:
    await asyncio.sleep(SETTLES)
    return bench.memory()


async def _loaded(bench: Bench) -> float:
    await asyncio.sleep(RESTS)
    return bench.memory()


async def _lag(bench: Bench) -> float:
    """The 99th percentile of how late the loop came to its timers, in ms, as the upper bound of its bucket; a server
    without this loop has none: 0."""
    code, body = await bench.connections[0].send(request_bytes("GET", "/metrics", headers={"Accept": "text/plain"}))
    lines = [line for line in body.decode().splitlines() if line.startswith(_LAG)] if code == 200 else []
    counts = [(line.partition('le="')[2].partition('"')[0], float(line.rpartition(" ")[2])) for line in lines]
    for bound, count in counts:
        if count >= _SHARE * counts[-1][1] and bound != "+Inf":
            return float(bound) * 1e3
    return 0.0


IDLE: tuple[Row, ...] = (
    Fact(name="start", unit="s", find=_start),
    Fact(name="memory, idle", unit="MB", find=_idle),
)
LOADED: tuple[Row, ...] = (
    Fact(name="memory after all rows", unit="MB", find=_loaded),
    Fact(name="loop lag, p99", unit="ms", find=_lag),
)
