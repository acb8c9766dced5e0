"""pocketkube's API server as a process of its own, started with the flags a kube-apiserver takes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from conformance.peer import make_pki, wait_ready
from conformance.processes import free_port, stop
from conformance.target import Target


def apiserver_flags(directory: Path, port: int) -> list[str]:
    """How the server is told to be set up as the real one is; `directory` has what `make_pki` made."""
    flags = {
        "secure-port": port,
        "bind-address": "127.0.0.1",
        "advertise-address": "10.255.255.1",
        "tls-cert-file": directory / "server.crt",
        "tls-private-key-file": directory / "server.key",
        "client-ca-file": directory / "ca.crt",
        "authorization-mode": "Node,RBAC",
        "service-account-key-file": directory / "sa.key",
        "service-account-signing-key-file": directory / "sa.key",
        "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
        "service-cluster-ip-range": "10.96.0.0/12",
        "enable-admission-plugins": "NodeRestriction",
        "requestheader-client-ca-file": directory / "ca.crt",
        "requestheader-allowed-names": "front-proxy",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
    }
    return [f"--{name}={value}" for name, value in flags.items()]


@contextlib.contextmanager
def pocketkube_server(*extra: str, etcd: str = "") -> Iterator[Target]:
    """One API server over an embedded store of its own (or the given etcd) for the length of a `with`."""
    with tempfile.TemporaryDirectory(prefix="ours-") as name:
        directory = Path(name)
        make_pki(directory)
        port = free_port()
        storage = f"--etcd-servers={etcd}" if etcd else f"--data-dir={directory / 'data'}"
        command = [sys.executable, "-m", "pocketkube", "apiserver", storage, *apiserver_flags(directory, port)]
        with (directory / "server.log").open("wb") as log:
            process = subprocess.Popen([*command, *extra], stdout=log, stderr=log, env=os.environ)
        target = Target(
            f"https://127.0.0.1:{port}",
            str(directory / "ca.crt"),
            str(directory / "admin.crt"),
            str(directory / "admin.key"),
            (process.pid,),
            str(directory / "server.log"),
        )
        try:
            yield replace(target, ready_after=wait_ready(target, process, directory / "server.log"))
        except BaseException:
            sys.stderr.write((directory / "server.log").read_text()[-4000:])
            raise
        finally:
            stop(process)
