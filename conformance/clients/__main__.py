"""`python -m conformance.clients [go|helm|java|node|python|rust …] [--on ours|real] [--scratch DIR]`: what programs in other
languages do with a cluster of two nodes (`pocketkube up`, or our parts around the real kube-apiserver).

Builds each driver in the scratch directory (kept: the next run is quick; the first takes up to half an hour), skips by name
what has no toolchain here, prints the steps that failed, notes the rest in conformance/ledger.yaml, exits 1 when one failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conformance import ledger
from conformance.clients.languages import LANGUAGES, build
from conformance.cluster import running_cluster

SCRATCH = Path.home() / ".cache/pocketkube/clients"
RUN_PATIENCE = 900.0


@contextmanager
def a_cluster(on: str) -> Iterator[Path]:
    """The kubeconfig of two nodes behind our API server or the real one."""
    if on == "real":
        from conformance.swaps.__main__ import COMBINATIONS, cluster

        with cluster(COMBINATIONS["real-apiserver"]) as kubectl:
            yield kubectl.kubeconfig
    else:
        with tempfile.TemporaryDirectory(prefix="clients-") as name, running_cluster(Path(name), nodes=2) as kubeconfig:
            yield kubeconfig


def outcome(said: str, status: int) -> tuple[int, list[str]]:
    """How many steps were well, and the lines of those that were not."""
    lines = said.splitlines()
    failed = [line.removeprefix("FAIL ")[:300] for line in lines if line.startswith("FAIL ")]
    passed = sum(line.startswith("ok ") for line in lines)
    if status and not failed:
        failed = [f"ended with {status}: {said[-300:]}"]
    elif not passed and not failed:
        failed = ["did nothing"]
    return passed, failed


def drive(name: str, scratch: Path, on: str) -> dict[str, Any]:
    """One language's driver in a cluster of its own."""
    work = build(name, scratch)
    passed, failed = 0, list[str]()
    with a_cluster(on) as kubeconfig:
        for command in LANGUAGES[name].run(work):
            given = {**os.environ, "KUBECONFIG": str(kubeconfig)}
            done = subprocess.run(
                command, cwd=work, env=given, text=True, timeout=RUN_PATIENCE, check=False,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            well, wrong = outcome(done.stdout, done.returncode)
            passed, failed = passed + well, failed + wrong
    return {"passed": passed, "failed": failed}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m conformance.clients")
    parser.add_argument("languages", nargs="*", choices=[*LANGUAGES, []], help="which (all)")
    parser.add_argument("--on", choices=("ours", "real"), default="ours", help="whose API server")
    parser.add_argument("--scratch", type=Path, default=SCRATCH, help="where drivers are built")
    given = parser.parse_args()
    report: dict[str, Any] = {}
    for name in given.languages or LANGUAGES:
        if absent := LANGUAGES[name].absent():
            report[name] = f"skipped: no {', '.join(absent)}"
        else:
            try:
                report[name] = drive(name, given.scratch, given.on)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                report[name] = {"passed": 0, "failed": [str(error)[:500]]}
        print(f"{name}: {report[name]}", flush=True)
    ledger.note("clients" if given.on == "ours" else "clients, real API server", report)
    return 1 if any(isinstance(one, dict) and one["failed"] for one in report.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
