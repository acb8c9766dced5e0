"""Runs specs with e2e.test under ginkgo and reads its report. The programs are in $PEER_BIN (`hack/build-peer`)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from conformance.peer import peer_bin

TIMEOUT = "3h"
LINE = 300  # characters of a failure that are kept


class Outcome(NamedTuple):
    """One spec's result: `passed`, `failed` or `skipped`, and the failure's first words."""

    spec: str
    result: str
    seconds: float
    why: str


def missing() -> list[str]:
    """The programs that are not built."""
    return [name for name in ("e2e.test", "ginkgo") if not (peer_bin() / name).exists()]


def run(
    specs: Sequence[str], kubeconfig: Path, output: Path, *, procs: int, nodes: int, content_type: str
) -> list[Outcome]:
    """Run the named specs against a cluster. What ginkgo prints goes to `output`/ginkgo.log."""
    output.mkdir(parents=True, exist_ok=True)
    command = [
        str(peer_bin() / "ginkgo"),
        f"--procs={procs}",
        f"--timeout={TIMEOUT}",
        "--junit-report=junit.xml",
        f"--output-dir={output}",
        *(f"--focus={re.escape(name)}" for name in specs),
        str(peer_bin() / "e2e.test"),
        "--",
        "--provider=skeleton",
        f"--kubeconfig={kubeconfig}",
        f"--kubectl-path={Path(sys.executable).with_name('kubectl')}",
        f"--kube-api-content-type={content_type}",
        f"--allowed-not-ready-nodes={0 if nodes else -1}",
        f"--num-nodes={nodes}",
        "--non-blocking-taints=",
    ]
    env = {**os.environ, "KUBERNETES_CONFORMANCE_TEST": "y"}
    with (output / "ginkgo.log").open("wb") as log:
        subprocess.run(command, env=env, stdout=log, stderr=subprocess.STDOUT, cwd=output, check=False)
    report = output / "junit.xml"
    if not report.exists():
        raise RuntimeError(f"ginkgo wrote no report; see {output / 'ginkgo.log'}")
    return list(outcomes(report, specs))


def outcomes(report: Path, asked: Sequence[str]) -> Iterator[Outcome]:
    """What the JUnit report says of each asked spec that ran; it appends the spec's labels to its name."""
    for case in ET.parse(report).getroot().iter("testcase"):
        name = case.get("name", "").removeprefix("[It] ")
        spec = max((known for known in asked if name.startswith(known)), key=len, default="")
        if not spec or case.get("status") == "skipped":
            continue
        failure = case.find("failure") if case.find("failure") is not None else case.find("error")
        why = "" if failure is None else _words(failure)
        yield Outcome(spec, "passed" if case.get("status") == "passed" else "failed", float(case.get("time", 0)), why)


def _words(failure: ET.Element) -> str:
    text = f"{failure.get('message') or ''} {failure.text or ''}"
    return re.sub(r"\s+", " ", text).strip()[:LINE]
