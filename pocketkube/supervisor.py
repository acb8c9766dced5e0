"""Starts the processes of a cluster, starts again what ended, and stops them in reverse order."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pocketkube.errors import LauncherError
from pocketkube.readiness import LIFELINE_FLAG, READY_FLAG

READY_PATIENCE = 60.0
STOP_PATIENCE = 15.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0  # seconds between two starts of a process that ends again and again
LIVED_LONG = 60.0
POLL = 0.2
_ROOT = Path(__file__).resolve().parent.parent
# -I: nothing of the user's environment or working directory can take the place of our packages, whose names are
# common words. What that also hides, the place this package itself was loaded from, is put back by name.
_BOOT = "import sys; sys.path.insert(0, {root!r}); from pocketkube.cli import main; sys.exit(main())"


def component_command(name: str, arguments: Sequence[str]) -> list[str]:
    """How a component is started."""
    return [sys.executable, "-I", "-c", _BOOT.format(root=str(_ROOT)), name, *arguments]


@dataclass
class Process:
    """One process of the cluster through all its lives."""

    name: str
    log: Path
    start: Callable[[], subprocess.Popen[bytes]]
    popen: subprocess.Popen[bytes]
    started: float
    restarts: int = 0
    pause: float = FIRST_PAUSE
    next_start: float = 0.0
    told: bool = field(default=False)  # the user knows that it ended


class Supervisor:
    """The processes of one cluster, in start order."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self.processes: list[Process] = []
        self._lifeline: tuple[int, ...] = os.pipe()

    def spawn(self, name: str, command: Sequence[str], *, before: Callable[[], None] | None = None) -> Process:
        """Start a program that knows nothing of us. `before` runs in the child first."""
        return self._add(name, lambda: self._popen(name, command, before=before))

    def start_component(self, name: str, arguments: Sequence[str]) -> tuple[Process, int]:
        """Start one of our components; `wait_ready` takes what this returns."""
        read_end, write_end = os.pipe()
        try:
            process = self._add(name, lambda: self._component(name, arguments, write_end))
        finally:
            os.close(write_end)
        process.start = lambda: self._component_again(name, arguments)
        return process, read_end

    def _add(self, name: str, start: Callable[[], subprocess.Popen[bytes]]) -> Process:
        process = Process(name, self._logs / f"{name}.log", start, start(), time.monotonic())
        self.processes.append(process)
        return process

    def _component(self, name: str, arguments: Sequence[str], ready: int) -> subprocess.Popen[bytes]:
        lifeline = self._lifeline[0]
        told = [READY_FLAG, str(ready), LIFELINE_FLAG, str(lifeline)]
        return self._popen(name, component_command(name, [*arguments, *told]), pass_fds=(ready, lifeline))

    def _component_again(self, name: str, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        """A later life: nobody listens for its being ready."""
        lifeline = self._lifeline[0]
        command = component_command(name, [*arguments, LIFELINE_FLAG, str(lifeline)])
        return self._popen(name, command, pass_fds=(lifeline,))

    def _popen(
        self,
        name: str,
        command: Sequence[str],
        *,
        pass_fds: Sequence[int] = (),
        before: Callable[[], None] | None = None,
    ) -> subprocess.Popen[bytes]:
        """A child whose output goes to a log of its name."""
        with (self._logs / f"{name}.log").open("ab") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=pass_fds,
                preexec_fn=before,  # this process has one thread
                start_new_session=True,  # Ctrl-C is ours to hand on, in order
            )

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

    def keep_running(self, tell: Callable[[str], None], changed: Callable[[], None]) -> None:
        """Start again what ends, until KeyboardInterrupt. `changed` is called after each new start."""
        while True:
            for process in self.processes:
                if process.popen.poll() is not None:
                    self._look_after(process, tell, changed)
            time.sleep(POLL)

    def _look_after(self, process: Process, tell: Callable[[str], None], changed: Callable[[], None]) -> None:
        """Once more, later and later while it does not live long."""
        now = time.monotonic()
        if not process.told:
            lived_long = now - process.started > LIVED_LONG
            process.pause = FIRST_PAUSE if lived_long or not process.restarts else min(process.pause * 2, LONGEST_PAUSE)
            process.next_start, process.told = now + process.pause, True
            tell(
                f"{process.name} ended ({_how(process.popen.returncode)}), see {process.log}; "
                f"starting it again in {process.pause:g} s"
            )
        if now >= process.next_start:
            process.popen, process.started, process.told = process.start(), now, False
            process.restarts += 1
            changed()

    def stop(self) -> None:
        """SIGTERM, and after STOP_PATIENCE SIGKILL, last started first."""
        for process in reversed(self.processes):
            if process.popen.poll() is None:
                process.popen.send_signal(signal.SIGTERM)
                try:
                    process.popen.wait(STOP_PATIENCE)
                except subprocess.TimeoutExpired:
                    process.popen.kill()
                    process.popen.wait()
        self.processes.clear()
        for descriptor in self._lifeline:
            os.close(descriptor)
        self._lifeline = ()


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"code {code}"


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
