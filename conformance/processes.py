"""Processes under test: a port for each, a wait until it listens, and an end."""

from __future__ import annotations

import socket
import subprocess
import time

LISTENS_WITHIN = 20.0
LEAVES_WITHIN = 20.0


def free_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_listening(process: subprocess.Popen[bytes], port: int) -> None:
    """Return when someone listens on `port`; RuntimeError when the process ends before, or takes too long."""
    deadline = time.monotonic() + LISTENS_WITHIN
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"{process.args!r} does not listen after {LISTENS_WITHIN:.0f} s")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(LEAVES_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
