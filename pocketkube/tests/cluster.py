"""A cluster started by `pocketkube up` for tests: its own directory, port and kubeconfig; stopped by its own pid."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 60.0


def environment(home: Path) -> dict[str, str]:
    """The user's environment, with a home of its own and this source tree."""
    env = {k: v for k, v in os.environ.items() if k not in ("KUBECONFIG", "XDG_DATA_HOME")}
    return {**env, "HOME": str(home), "PYTHONPATH": str(ROOT)}


def pocketkube(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [sys.executable, "-m", "pocketkube", *arguments]
    return subprocess.run(command, env=environment(home), capture_output=True, text=True, timeout=PATIENCE, check=False)


def kubectl(kubeconfig: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("kubectl")
    command = [str(program), f"--kubeconfig={kubeconfig}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


@dataclass
class Up:
    """A running `pocketkube up`."""

    process: subprocess.Popen[str]
    home: Path
    data: Path
    kubeconfig: Path
    output: str

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """End it as Ctrl-C does; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.output += self.process.communicate(timeout=PATIENCE)[0]
        return self.process.returncode


@contextmanager
def running(home: Path, *arguments: str, data: Path | None = None) -> Iterator[Up]:
    """A cluster that said it is ready."""
    data = data or home / "data"
    kubeconfig = home / "kubeconfig"
    command = [sys.executable, "-m", "pocketkube", "up", f"--data-dir={data}", f"--kubeconfig={kubeconfig}", *arguments]
    process = subprocess.Popen(
        command, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    up = Up(process, home, data, kubeconfig, _read_until(process, "Ctrl-C"))
    try:
        yield up
    finally:
        up.stop()


def _read_until(process: subprocess.Popen[str], mark: str) -> str:
    assert process.stdout is not None
    seen = ""
    deadline = time.monotonic() + PATIENCE
    for line in process.stdout:
        seen += line
        if mark in line:
            return seen
        if time.monotonic() > deadline:
            break
    process.kill()
    process.communicate()
    raise AssertionError(f"pocketkube up did not come up:\n{seen}{_logs(seen)}")


def _logs(seen: str) -> str:
    """What the log says that an error names."""
    found: Sequence[str] = [word.strip("();") for word in seen.split() if word.strip("();").endswith(".log")]
    return "".join(Path(name).read_text()[-2000:] for name in found if Path(name).exists())
