"""Starts the processes of a cluster, watches over them, and stops them in reverse order."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pocketkube.errors import LauncherError
from pocketkube.readiness import READY_FLAG

READY_PATIENCE = 60.0
STOP_PATIENCE = 15.0
_ROOT = Path(__file__).resolve().parent.parent
# -I: nothing of the user's environment or working directory can take the place of our packages, whose names are
# common words. What that also hides, the place this package itself was loaded from, is put back by name.
_BOOT = "import sys; sys.path.insert(0, {root!r}); from pocketkube.cli import main; sys.exit(main())"


def component_command(name: str, arguments: Sequence[str]) -> list[str]:
    """How a component is started."""
    return [sys.executable, "-I", "-c", _BOOT.format(root=str(_ROOT)), name, *arguments]


class Process(NamedTuple):
    name: str
    popen: subprocess.Popen[bytes]
    log: Path


class Supervisor:
    """The processes of one cluster, in start order."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._processes: list[Process] = []

    def spawn(self, name: str, command: Sequence[str], *, pass_fds: Sequence[int] = ()) -> Process:
        """Start a program; what it prints goes to a log of its name."""
        log = self._logs / f"{name}.log"
        with log.open("ab") as output:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=pass_fds,
                start_new_session=True,  # Ctrl-C is ours to hand on, in order
            )
        process = Process(name, popen, log)
        self._processes.append(process)
        return process

    def start_component(self, name: str, arguments: Sequence[str]) -> tuple[Process, int]:
        """Start one of our components; `wait_ready` takes what this returns."""
        read_end, write_end = os.pipe()
        try:
            command = component_command(name, [*arguments, READY_FLAG, str(write_end)])
            return self.spawn(name, command, pass_fds=(write_end,)), read_end
        finally:
            os.close(write_end)

    def wait_ready(self, started: tuple[Process, int]) -> Process:
        """Return when the component says that it is ready; LauncherError when it says otherwise, ends or is silent."""
        process, descriptor = started
        with os.fdopen(descriptor, "rb") as pipe:
            readable, _, _ = select.select([pipe], [], [], READY_PATIENCE)
            line = pipe.readline() if readable else b""
        if line:
            message = json.loads(line)
            if "error" in message:
                raise LauncherError(f"{process.name}: {message['error']}")
            return process
        if not readable:
            raise LauncherError(f"{process.name} is not ready after {READY_PATIENCE:.0f} s; see {process.log}")
        raise LauncherError(f"{process.name} ended while it started: {last_line(process.log)} (see {process.log})")

    def wait(self) -> Process:
        """Block until a process ends by itself; which one. KeyboardInterrupt passes through."""
        while True:
            for process in self._processes:
                if process.popen.poll() is not None:
                    return process
            time.sleep(0.2)

    def stop(self) -> None:
        """SIGTERM, and after STOP_PATIENCE SIGKILL, last started first."""
        for process in reversed(self._processes):
            if process.popen.poll() is None:
                process.popen.send_signal(signal.SIGTERM)
                try:
                    process.popen.wait(STOP_PATIENCE)
                except subprocess.TimeoutExpired:
                    process.popen.kill()
                    process.popen.wait()
        self._processes.clear()


def last_line(log: Path) -> str:
    """The last thing a program said."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "it said nothing"
    return lines[-1] if lines else "it said nothing"
