"""The fuzz's requests to pocketkube and the real kube-apiserver side by side: where do status and message differ?

`python -m conformance.robustness.beside [--seed N] [--requests N] [--messages]`; one connection to each,
so both go through the same states. Evidence for upstream_errors.yaml, and the list of what is still to be matched.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections import Counter
from itertools import islice

from conformance.benchmark.connection import tls
from conformance.interop.fill import objects
from conformance.ours import pocketkube_server
from conformance.peer import missing, real_server
from conformance.robustness.fuzz import HANG_UP, catalog_of
from conformance.robustness.judge import message, parsed
from conformance.robustness.requests import Request, Requests
from conformance.robustness.wire import Reply, Wire
from conformance.target import Target

_VOLATILE = re.compile(r"\d+|\"[^\"]*\"|'[^']*'|[a-z0-9]+(?:\.[a-z0-9]+)+|\b[a-z]+ \"")


def shown(reply: Reply) -> str:
    status = parsed(reply)
    reason = status.get("reason", "") if status is not None else "no Status"
    return f"{reply.status} {reason}: {message(reply)[:240]}" if reply.status >= 400 else str(reply.status)


def differs(ours: Reply, real: Reply, messages: bool) -> bool:
    if ours.status != real.status:
        return True
    if ours.status < 400:
        return False
    left, right = parsed(ours) or {}, parsed(real) or {}
    if left.get("reason") != right.get("reason"):
        return True
    return messages and message(ours) != message(real)


async def _ask(wire: Wire, request: Request) -> Reply:
    try:
        async with asyncio.timeout(HANG_UP):
            return await wire.ask(request.method, request.wire())
    except (TimeoutError, ValueError, IndexError):
        await wire.close()
        return Reply(0)


async def compare(
    ours: Target, real: Target, requests: list[Request], messages: bool
) -> tuple[Counter[str], dict[str, str]]:
    """Sorts of differences with their counts, and an example for each."""
    left, right = Wire(ours, tls(ours)), Wire(real, tls(real))
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for request in requests:
        one, other = await asyncio.gather(_ask(left, request), _ask(right, request))
        if 0 in (one.status, other.status) or "protobuf" in other.headers.get("content-type", ""):
            continue  # watches that go on, bytes that are no HTTP; answers in protobuf are not written yet
        if differs(one, other, messages):
            sort = _VOLATILE.sub("…", f"{shown(one)[:90]} | {shown(other)[:90]}")
            counts[sort] += 1
            examples.setdefault(sort, f"ours {shown(one)}\n      real {shown(other)}\n      {request}")
    await left.close()
    await right.close()
    return counts, examples


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--messages", action="store_true", help="messages must agree, too")
    arguments = parser.parse_args()
    if why := missing():
        print(f"beside: {why}", file=sys.stderr)
        return 2
    with pocketkube_server() as ours, real_server() as real:
        served = set(catalog_of(real))
        common = [kind for kind in catalog_of(ours) if any(k.name == kind.name for k in served)]
        requests = list(islice(Requests(arguments.seed, common, objects()), arguments.requests))
        counts, examples = asyncio.run(compare(ours, real, requests, arguments.messages))
    for sort, count in counts.most_common():
        print(f"{count:6} × {examples[sort]}")
    total = sum(counts.values())
    print(f"{total} of {arguments.requests} differ ({1 - total / arguments.requests:.2%} agree), {len(counts)} sorts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
