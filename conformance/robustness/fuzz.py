"""`make fuzz`: a million bad requests against a server that it starts itself; `make test` sends 20,000 of the same.

`python -m conformance.robustness.fuzz [--seed N] [--requests N] [--against ours|real] [--etcd]`
Whatever is sent: no hang, no 500 but those of upstream_errors.yaml, no traceback in the server's log, no growth of memory,
and each refusal is a Status with upstream's reason. What is found is printed once for each sort, with an example.
Ctrl-C ends it early, with a report of what was sent until then.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import ssl
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from conformance import ledger
from conformance.benchmark.connection import tls
from conformance.benchmark.process import resident_mb
from conformance.differential.player import Session
from conformance.interop.catalog import Kind, kinds
from conformance.interop.fill import objects
from conformance.ours import pocketkube_server
from conformance.peer import missing, real_server
from conformance.robustness.judge import Judge, load_allowed
from conformance.robustness.requests import NAMESPACES, Request, Requests
from conformance.robustness.wire import Reply, Wire
from conformance.target import Target

MILLION = 1_000_000
CONNECTIONS = 12
PATIENCE = 40.0  # seconds for one answer; a resourceVersion of the future takes 3, a watch here 1
GROWTH_MB = 64.0  # allowed over the last two thirds: caches are bounded and full by then, names come from a small set
TRACEBACK = "Traceback (most recent call last)"
# Endless by right, whatever the query says: the client hangs up.
_ENDLESS = re.compile(r"/watch/|[?&]watch=(?!0|f|F)[^&]*(&|$)|/log(\?|$)|[?&]watch(&|$)")
_NUMBERS = re.compile(r"\d+|\"[^\"]*\"|'[^']*'")
HANG_UP = 1.5


@dataclass
class Outcome:
    """What came of a run."""

    sent: int = 0
    seconds: float = 0.0
    codes: Counter[int] = field(default_factory=Counter)
    findings: dict[str, str] = field(default_factory=dict)  # sort of finding → first example
    counts: Counter[str] = field(default_factory=Counter)
    memory: list[float] = field(default_factory=list)

    def note(self, what: str, example: object) -> None:
        sort = _NUMBERS.sub("…", what)[:160]
        self.counts[sort] += 1
        self.findings.setdefault(sort, f"{what}\n      {example}")

    @property
    def growth(self) -> float:
        """MB that resident memory grew by in the last two thirds."""
        return self.memory[-1] - self.memory[len(self.memory) // 3] if len(self.memory) > 3 else 0.0

    def lines(self) -> list[str]:
        codes = ", ".join(f"{code} {n}" for code, n in sorted(self.codes.items()))
        memory = " → ".join(f"{mb:.0f}" for mb in self.memory[:: max(1, len(self.memory) // 8)])
        found = [f"{self.sent} requests in {self.seconds:.0f} s, memory {memory} MB (grew by {self.growth:.0f})"]
        found += [f"answers: {codes}", f"{len(self.findings)} sorts of findings"]
        found += [f"  {self.counts[sort]:6} × {text}" for sort, text in self.findings.items()]
        return found


class Fuzzer:
    """Sends a stream of requests over some connections and judges every answer."""

    def __init__(self, target: Target, context: ssl.SSLContext, judge: Judge) -> None:
        self._target = target
        self._context = context
        self._judge = judge
        self.outcome = Outcome()

    async def run(self, requests: Iterator[Request], count: int) -> Outcome:
        """Send `count` of them; samples of memory are taken twenty times on the way."""
        begun = time.monotonic()
        step = max(1, count // 20)
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(CONNECTIONS):
                    group.create_task(self._client(requests, count, step), name=f"fuzz-{number}")
        finally:
            self.outcome.seconds = time.monotonic() - begun
        return self.outcome

    async def _client(self, requests: Iterator[Request], count: int, step: int) -> None:
        wire = Wire(self._target, self._context)
        try:
            while self.outcome.sent < count:
                self.outcome.sent += 1
                if self.outcome.sent % step == 0:
                    self._sample()
                await self._one(wire, next(requests))
        finally:
            await wire.close()

    def _sample(self) -> None:
        outcome = self.outcome
        outcome.memory.append(resident_mb(self._target.pids))
        print(
            f"{outcome.sent} sent, {outcome.memory[-1]:.0f} MB, {len(outcome.findings)} sorts",
            file=sys.stderr,
            flush=True,
        )

    async def _one(self, wire: Wire, request: Request) -> None:
        # What is no request may be the beginning of one: the server is right to wait for the rest.
        endless = bool(request.line) or _ENDLESS.search(request.target) is not None
        try:
            async with asyncio.timeout(HANG_UP if endless else PATIENCE):
                reply = await wire.ask(request.method, request.wire())
        except TimeoutError:
            await wire.close()
            if not endless:
                self.outcome.note("no answer", request)
            return
        except (ValueError, IndexError) as e:
            self.outcome.note(f"an answer that is no HTTP: {e}", request)
            await wire.close()
            return
        self.outcome.codes[reply.status] += 1
        if verdict := self._verdict(request, reply):
            self.outcome.note(verdict, request)

    def _verdict(self, request: Request, reply: Reply) -> str:
        if request.line:  # any 4xx or a closed connection: what Go does differs from line to line
            return "" if reply.status < 500 else f"{reply.status} to a broken line"
        return self._judge.verdict(request, reply) if reply.status else "the connection was closed"


def catalog_of(target: Target) -> list[Kind]:
    session = Session(target)
    try:
        for name in NAMESPACES:
            session.send("POST", "/api/v1/namespaces", {"Content-Type": "application/json"},
                         b'{"metadata":{"name":"%s"}}' % name.encode(), False)  # fmt: skip
            session.send("POST", f"/api/v1/namespaces/{name}/serviceaccounts", {"Content-Type": "application/json"},
                         b'{"metadata":{"name":"default"}}', False)  # fmt: skip
        return sorted(kinds(session).values())
    finally:
        session.close()


def fuzz(target: Target, seed: int, count: int) -> Outcome:
    """Send `count` requests of `seed` and add what the server's log and memory say."""
    requests = iter(Requests(seed, catalog_of(target), objects()))
    fuzzer = Fuzzer(target, tls(target), Judge(load_allowed()))
    outcome = fuzzer.outcome
    with asyncio.Runner(loop_factory=_loop) as runner, contextlib.suppress(KeyboardInterrupt):
        runner.run(fuzzer.run(requests, count))
    if target.log:
        for text in Path(target.log).read_text(errors="replace").split(TRACEBACK)[1:]:
            outcome.note(f"a traceback in the log: {_last_line(text)}", _frames(text))
    return outcome


def _last_line(text: str) -> str:
    """The line of a traceback that names the exception: the first one that is not indented."""
    return next((line for line in text.splitlines()[1:] if line and not line.startswith(" ")), "")


def _frames(text: str) -> str:
    """Its innermost frames."""
    return "\n".join([line for line in text.splitlines() if line.startswith("  File")][-5:])


def _loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--requests", type=int, default=MILLION)
    parser.add_argument("--against", choices=["ours", "real"], default="ours")
    parser.add_argument("--ledger", action="store_true", help="note the result in conformance/ledger.yaml")
    arguments = parser.parse_args()
    if arguments.against == "real" and (why := missing()):
        print(f"fuzz: {why}", file=sys.stderr)
        return 2
    server = pocketkube_server if arguments.against == "ours" else real_server
    with server() as target:
        outcome = fuzz(target, arguments.seed, arguments.requests)
    print(*outcome.lines(), sep="\n")
    if arguments.ledger:
        facts = {"seed": arguments.seed, "requests": outcome.sent, "seconds": round(outcome.seconds),
                 "memory_mb": [round(mb) for mb in outcome.memory], "findings": list(outcome.findings)}  # fmt: skip
        ledger.note("fuzz", facts)
    return 1 if outcome.findings or outcome.growth > GROWTH_MB else 0


if __name__ == "__main__":
    sys.exit(main())
