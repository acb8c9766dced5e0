"""`make bench`: pocketkube and, where it is built, the real pair, side by side, row by row in turns.

`python -m conformance.benchmark.bench [--only ours|real] [--rows create,fan-out] [--list] [--write]`
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Protocol, TypeVar

from conformance.benchmark import report
from conformance.benchmark.families import FAMILIES
from conformance.benchmark.load import Bench
from conformance.benchmark.measurement import Measurement
from conformance.benchmark.rows import ROWS
from conformance.benchmark.rows.row import Row, run
from conformance.ours import pocketkube_server
from conformance.peer import missing, real_server
from conformance.target import Target

SERVERS = {"real": real_server, "ours": pocketkube_server}

Results = list[tuple[Row, dict[str, Measurement]]]


class _Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)


def chosen(wanted: str, of: Sequence[N]) -> list[N]:
    """Those whose name begins with one of the comma-separated words; all without any."""
    words = [word.strip() for word in wanted.split(",") if word.strip()]
    return [each for each in of if not words or any(each.name.startswith(word) for word in words)]


async def measure(rows: Sequence[Row], targets: dict[str, Target]) -> Results:
    benches = {name: await Bench.open(target) for name, target in targets.items()}
    results: Results = []
    try:
        print(report.head())
        for row in rows:
            found = dict(zip(benches, await run(row, list(benches.values())), strict=True))
            results.append((row, found))
            print(*report.lines(row, found), sep="\n", flush=True)
    finally:
        for bench in benches.values():
            await bench.close()
    return results


def _loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


def _servers(only: str) -> list[str]:
    names = [only] if only else list(SERVERS)
    if "real" in names and (why := missing()):
        print(f"the real pair is left out: {why}")
        names.remove("real")
    return names


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=list(SERVERS), default="")
    parser.add_argument("--rows", default="", help="rows whose name begins so, by comma")
    parser.add_argument("--list", action="store_true", help="name the rows")
    parser.add_argument("--write", action="store_true", help="write the ledger")
    arguments = parser.parse_args()
    rows = chosen(arguments.rows, ROWS)
    families = chosen(arguments.rows, FAMILIES) if arguments.only != "real" else []
    if arguments.list:
        print(*[row.name for row in rows], *[family.name for family in families], sep="\n")
        return 0
    entries = report.entries(_measure_rows(rows, arguments.only)) if rows else {}
    for family in families:
        entries |= family.measure()
    if arguments.write:
        report.write(entries)
    return 0


def _measure_rows(rows: Sequence[Row], only: str) -> Results:
    gc.disable()  # the client's own collector is kept out of the latencies
    with ExitStack() as stack:
        targets = {name: stack.enter_context(SERVERS[name]()) for name in _servers(only)}
        with asyncio.Runner(loop_factory=_loop) as runner:
            return runner.run(measure(rows, targets))


if __name__ == "__main__":
    sys.exit(main())
