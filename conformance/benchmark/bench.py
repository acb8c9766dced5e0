"""`make bench`: pocketkube and, where it is built, the real pair, row by row in one run; results to ledger.json.

`python -m conformance.benchmark.bench [--peer] [--etcd] [--only ours|real]`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conformance.benchmark.rows import Row, measure, no_garbage
from conformance.ours import pocketkube_server
from conformance.peer import missing, real_server

LEDGER = Path(__file__).parent / "ledger.json"


def _tell(row: Row) -> None:
    if row.operations:
        figures = f"{row.rate:9.0f}/s {row.cpu_each:9.0f} µs CPU  p50 {row.p50:7.2f} ms  p99 {row.p99:7.2f} ms"
    else:
        figures = " " * 60
    print(f"  {row.name:34} {figures} {row.memory:7.0f} MB", flush=True)


def _run(name: str, server: Any) -> list[Row]:
    print(name, flush=True)
    begun = time.monotonic()
    with server as target:
        started = time.monotonic() - begun
        print(f"  {'start':34} {started:9.2f} s (certificates included)", flush=True)

        async def main() -> list[Row]:
            async with no_garbage():
                return await measure(target, _tell)

        with asyncio.Runner(loop_factory=_loop) as runner:
            return runner.run(main())


def _loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


def _ratios(ours: list[Row], real: list[Row]) -> None:
    print("real / ours")
    by_name = {row.name: row for row in real}
    for row in ours:
        other = by_name.get(row.name)
        if other is not None and row.operations and row.cpu_each:
            cpu, rate = other.cpu_each / row.cpu_each, row.rate / max(other.rate, 1e-9)
            print(
                f"  {row.name:34} CPU {cpu:6.1f}x   throughput {rate:6.1f}x   memory {other.memory:5.0f} : {row.memory:.0f} MB"
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["ours", "real"])
    parser.add_argument("--write", action="store_true", help="write the ledger")
    arguments = parser.parse_args()
    results: dict[str, list[Row]] = {}
    if arguments.only != "ours":
        if why := missing():
            print(f"the real pair is left out: {why}")
        else:
            results["real"] = _run("kube-apiserver + etcd", real_server())
    if arguments.only != "real":
        results["ours"] = _run("pocketkube, embedded store", pocketkube_server())
    if len(results) == 2:
        _ratios(results["ours"], results["real"])
    if arguments.write:
        rows = {name: [asdict(row) for row in found] for name, found in results.items()}
        LEDGER.write_text(json.dumps({"date": datetime.now(UTC).strftime("%Y-%m-%d"), **rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
