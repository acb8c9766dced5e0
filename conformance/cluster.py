"""A whole cluster as a user starts it: `pocketkube up` in a directory of its own, stopped by its own pid."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from conformance.processes import free_port

STOP_PATIENCE = 60.0


@contextlib.contextmanager
def running_cluster(directory: Path, *arguments: str, nodes: int = 1) -> Iterator[Path]:
    """The kubeconfig of a cluster that is up, for the length of a `with`. Raises RuntimeError with what it said."""
    directory.mkdir(parents=True, exist_ok=True)
    kubeconfig = directory / "kubeconfig"
    command = [sys.executable, "-m", "pocketkube", "up", f"--data-dir={directory / 'data'}", f"--nodes={nodes}"]
    command += [f"--kubeconfig={kubeconfig}", f"--secure-port={free_port()}", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ)
    try:
        _wait_up(process)
        yield kubeconfig
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _wait_up(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "Ctrl-C" in line:
            return
    raise RuntimeError(f"the cluster did not come up:\n{said}")
