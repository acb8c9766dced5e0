"""One function of upstream's scripts: run it with a time to end in, and tell how it went."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from conformance.test_cmd.pair import Server

RUNNER = Path(__file__).parent / "one_function.sh"
PASSED, FAILED, LATE = "passed", "failed", "timed out"
LONGEST = 400  # characters of a reason in the ledger
_COLOUR = re.compile(r"\x1b[\[(][0-9;]*[A-Za-z]")
_TREE = re.compile(r"^!!! (\[.*?\] Call tree:|Error in)", re.MULTILINE)  # what the shell's trap says after a failure
_ERROR = re.compile(r"^  Error in \S*?([\w.-]+\.sh:\d+)\. ('.*?') exited with", re.MULTILINE | re.DOTALL)


class Outcome(NamedTuple):
    """How a function ended; `why` is the assertion that ended it."""

    function: str
    result: str
    seconds: float
    why: str


def run(name: str, tree: Path, server: Server, log: Path, patience: float) -> Outcome:
    """The function in a process group of its own, which ends with it; everything it says goes to `log`."""
    kept = {key: os.environ[key] for key in ("PATH", "GOMODCACHE") if key in os.environ}
    environment = {**kept, "HOME": str(tree), "TERM": "xterm", "KUBE_VERBOSE": "4"}
    environment |= {"SECURE_API_PORT": str(server.port), "TMPDIR": str(server.directory)}
    environment["KUBE_JUNIT_REPORT_DIR"] = str(log.parent / f"{log.stem}-junit")
    started = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["bash", RUNNER, tree, name],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(patience)
        except subprocess.TimeoutExpired:
            code = -1
        _end_group(process)
    said = _COLOUR.sub("", log.read_text(errors="replace"))
    result = LATE if code == -1 else FAILED if code else PASSED
    return Outcome(name, result, time.monotonic() - started, "" if result == PASSED else reason(said))


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Nothing of the function's group is left: proxies and watches of one that failed would stay for ever."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def reason(said: str) -> str:
    """Where it ended, in which command, and the assertion that failed there or else the last words before."""
    told = said.rpartition("+++ Running case:")[2].partition("+++ exit code:")[0]  # before it: upstream's own canary
    place = [f"{match[1]} {match[2].splitlines()[0]}" for match in list(_ERROR.finditer(told))[-1:]]
    before = _TREE.split(told)[0]
    failed = before.rfind("FAIL!")
    words = before[failed:] if failed >= 0 else "\n".join(before.rstrip().splitlines()[-3:])
    return " ".join(" | ".join([*place, words]).split())[:LONGEST]
