"""Starts the processes of a cluster, watches over them, and stops them in reverse order."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from pocketkube.errors import LauncherError
from pocketkube.readiness import LIFELINE_FLAG, READY_FLAG

READY_PATIENCE = 60.0
STOP_PATIENCE = 15.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0  # seconds between two starts of a component that ends again and again
LIVED_LONG = 60.0
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


class Kept:
    """A component that is started again when it ends."""

    def __init__(self, arguments: Sequence[str], started: float) -> None:
        self.arguments = arguments
        self.started = started
        self.pause = FIRST_PAUSE
        self.next_start = started


class Supervisor:
    """The processes of one cluster, in start order."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._processes: list[Process] = []
        self._kept: dict[str, Kept] = {}
        self._lifeline: tuple[int, ...] = os.pipe()

    def spawn(
        self,
        name: str,
        command: Sequence[str],
        *,
        pass_fds: Sequence[int] = (),
        before: Callable[[], None] | None = None,
    ) -> Process:
        """Start a program; what it prints goes to a log of its name. `before` runs in the child first."""
        log = self._logs / f"{name}.log"
        with log.open("ab") as output:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=pass_fds,
                preexec_fn=before,  # this process has one thread
                start_new_session=True,  # Ctrl-C is ours to hand on, in order
            )
        process = Process(name, popen, log)
        self._processes.append(process)
        return process

    def start_component(self, name: str, arguments: Sequence[str]) -> tuple[Process, int]:
        """Start one of our components; `wait_ready` takes what this returns."""
        read_end, write_end = os.pipe()
        try:
            lifeline = self._lifeline[0]
            told = [READY_FLAG, str(write_end), LIFELINE_FLAG, str(lifeline)]
            command = component_command(name, [*arguments, *told])
            return self.spawn(name, command, pass_fds=(write_end, lifeline)), read_end
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

    def keep_alive(self, name: str, arguments: Sequence[str]) -> None:
        """Start a component that is started again when it ends: see `wait`."""
        process = self.wait_ready(self.start_component(name, arguments))
        self._kept[process.name] = Kept(arguments, time.monotonic())

    def wait(self, tell: Callable[[str], None]) -> Process:
        """Block until a process ends that is not kept alive; which one. KeyboardInterrupt passes through."""
        while True:
            for process in list(self._processes):
                if process.popen.poll() is not None:
                    kept = self._kept.get(process.name)
                    if kept is None:
                        return process
                    self._processes.remove(process)
                    tell(
                        f"{process.name} ended with code {process.popen.returncode}, see {process.log}; starting it again"
                    )
            for name, kept in self._kept.items():
                if all(p.name != name for p in self._processes) and time.monotonic() >= kept.next_start:
                    self._start_again(name, kept)
            time.sleep(0.2)

    def _start_again(self, name: str, kept: Kept) -> None:
        """Once more, later and later while it does not live long."""
        now = time.monotonic()
        lived_long = now - kept.started > LIVED_LONG
        kept.pause = FIRST_PAUSE if lived_long else min(kept.pause * 2, LONGEST_PAUSE)
        kept.started, kept.next_start = now, now + kept.pause
        _, descriptor = self.start_component(name, kept.arguments)
        os.close(descriptor)

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
        self._kept.clear()
        for descriptor in self._lifeline:
            os.close(descriptor)
        self._lifeline = ()


def die_with_parent() -> None:
    """Linux: have the kernel end this process with the one that started it (programs that know no lifeline)."""
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def last_line(log: Path) -> str:
    """The last thing a program said."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "it said nothing"
    return lines[-1] if lines else "it said nothing"
