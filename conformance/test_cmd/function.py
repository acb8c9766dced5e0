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

RUNNER = Path(__file__).parent / "one_function.sh"
PASSED, FAILED, LATE = "passed", "failed", "timed out"
LONGEST = 400  # characters of a reason in the ledger
_COLOUR = re.compile(r"\x1b[\[(][0-9;]*[A-Za-z]")
_ERROR = re.compile(r"^!!! \[.*?\] Error in \S*?(\w[\w.-]*\.sh:\d+)\. ('.*?') exited", re.MULTILINE | re.DOTALL)


class Outcome(NamedTuple):
    """How a function ended; `why` is the assertion that ended it."""

    function: str
    result: str
    seconds: float
    why: str


def run(name: str, tree: Path, port: int, log: Path, patience: float) -> Outcome:
    """The function in a process group of its own, which ends with it; everything it says goes to `log`."""
    kept = {key: os.environ[key] for key in ("PATH", "TMPDIR", "GOMODCACHE") if key in os.environ}
    environment = {**kept, "HOME": str(tree), "TERM": "xterm", "SECURE_API_PORT": str(port)}
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
    """The assertion that failed and where it stands, out of what the function said; else its last words."""
    parts = [f"{match[1]} {match[2]}" for match in list(_ERROR.finditer(said))[-1:]]
    at = said.rfind("FAIL!")
    if at >= 0:
        parts.append(said[said.rfind("\n", 0, at) + 1 :].split("\n\n")[0])
    words = " | ".join(parts) or said[-LONGEST:]
    return " ".join(words.split())[:LONGEST]
