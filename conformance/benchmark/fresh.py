"""`python -m conformance.benchmark.fresh [--only ours|real] [--starts N] [--pods N] [--ledger]`: what a fresh server costs.

Seconds from process start to /readyz (the best of some starts: the machine's neighbours only make it longer), memory when idle,
and memory with 10,000 pods of 3.4 kB that were created through the API and are listed once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import dataclass

from conformance import ledger
from conformance.benchmark.bench import SERVERS
from conformance.benchmark.connection import request_bytes
from conformance.benchmark.load import Bench
from conformance.benchmark.objects import WRITES, pod, pods
from conformance.peer import missing
from conformance.target import Target

SETTLES = 3.0  # seconds until what a load began has been done
PODS = 10_000
STARTS = 3
GOALS = {"start": 0.7, "idle": 65.0, "pods": 150.0}  # issue 3, done when 1


@dataclass
class Fresh:
    """Seconds and megabytes."""

    start: float
    idle: float
    pods: float
    listed: float

    def lines(self) -> list[str]:
        return [
            f"  start to /readyz       {self.start:7.2f} s   (goal {GOALS['start']})",
            f"  memory, idle           {self.idle:7.0f} MB  (goal {GOALS['idle']:.0f})",
            f"  memory, pods created   {self.pods:7.0f} MB  (goal {GOALS['pods']:.0f})",
            f"  memory, listed once    {self.listed:7.0f} MB",
        ]


async def _filled(target: Target, count: int) -> tuple[float, float, float]:
    """Memory when idle, with `count` pods, and after a list of them."""
    bench = await Bench.open(target)
    try:
        await asyncio.sleep(SETTLES)
        idle = bench.memory()
        await bench.loop(count, lambda i: request_bytes("POST", pods(WRITES), json.dumps(pod(i)).encode()))
        await asyncio.sleep(SETTLES)
        filled = bench.memory()
        await bench.send(request_bytes("GET", "/api/v1/pods"))
        await asyncio.sleep(SETTLES)
        return idle, filled, bench.memory()
    finally:
        await bench.close()


def measure(name: str, starts: int, count: int) -> Fresh:
    best = float("inf")
    for _ in range(starts - 1):
        with SERVERS[name]() as target:
            best = min(best, target.ready_after)
    with SERVERS[name]() as target:
        return Fresh(min(best, target.ready_after), *asyncio.run(_filled(target, count)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(SERVERS), default="")
    parser.add_argument("--starts", type=int, default=STARTS)
    parser.add_argument("--pods", type=int, default=PODS)
    parser.add_argument("--ledger", action="store_true", help="note the result in conformance/ledger.yaml")
    arguments = parser.parse_args()
    names = [arguments.only] if arguments.only else list(SERVERS)
    if "real" in names and (why := missing()):
        print(f"the real pair is left out: {why}")
        names.remove("real")
    found = {}
    for name in names:
        found[name] = measure(name, arguments.starts, arguments.pods)
        print(name, *found[name].lines(), sep="\n", flush=True)
    if arguments.ledger:
        rounded = {name: {k: round(v, 2) for k, v in vars(each).items()} for name, each in found.items()}
        ledger.note("fresh server", {"pods": arguments.pods, **rounded})
    return 0


if __name__ == "__main__":
    sys.exit(main())
