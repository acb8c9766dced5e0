"""`pocketkube up --detach`: the same cluster in a process of its own; the terminal is free once it is ready."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pocketkube.errors import LauncherError
from pocketkube.places import Places
from pocketkube.readiness import READY_FLAG
from pocketkube.supervisor import component_command
from pocketkube.up import check_not_running

PATIENCE = 120.0
POLL = 0.02


def up_detached(places: Places, arguments: Sequence[str]) -> int:
    """Start `pocketkube up` with these arguments in the background, show what it says, return when the cluster is up."""
    check_not_running(places)
    places.create()
    log = places.logs / "up.log"
    log.unlink(missing_ok=True)
    read_end, write_end = os.pipe()
    try:
        child = _start(log, [*arguments, READY_FLAG, str(write_end)], write_end)
    finally:
        os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe, log.open() as said:
        message = _follow(child, pipe.fileno(), said)
        line = pipe.readline() if message else b""
        sys.stdout.write(said.read())
    if not line:
        raise LauncherError(f"the cluster did not come up; see {log}")
    told = json.loads(line)
    if "error" in told:
        raise LauncherError(told["error"])
    return 0


def _start(log: Path, arguments: Sequence[str], descriptor: int) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            component_command("up", arguments),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(descriptor,),
            start_new_session=True,
        )


def _follow(child: subprocess.Popen[bytes], descriptor: int, said: object) -> bool:
    """Show what the child says until it tells how the start went; False when it ended or took too long."""
    import io
    import time

    assert isinstance(said, io.TextIOBase)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        readable, _, _ = select.select([descriptor], [], [], POLL)
        sys.stdout.write(said.read())
        sys.stdout.flush()
        if readable:
            return True
        if child.poll() is not None:
            return False
    child.kill()
    child.wait()
    return False
