"""An API server with its controllers, flags as hack/make-rules/test-cmd.sh gives them: the real pair, or ours."""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from conformance import etcd
from conformance.peer import peer_bin
from conformance.processes import free_port, stop

REAL, OURS = "real", "ours"
READY_WITHIN = 60.0
TOKEN = "admin-token"  # of hack/testdata/auth-tokens.csv
NOT_ADMITTED = (
    "ServiceAccount,DefaultStorageClass,DefaultTolerationSeconds,MutatingAdmissionWebhook,ValidatingAdmissionWebhook,"
    "StorageObjectInUseProtection"
)


class Server(NamedTuple):
    """The port it listens on, and where its serving certificate is: the scripts look for that in $TMPDIR."""

    port: int
    directory: Path


def _apiserver_flags(tree: Path, directory: Path, port: int) -> list[str]:
    flags = {
        "bind-address": "127.0.0.1",
        "authorization-mode": "RBAC,AlwaysAllow",
        "secure-port": port,
        "enable-admission-plugins": "LimitRanger,ResourceQuota",
        "disable-admission-plugins": NOT_ADMITTED,
        "runtime-config": "api/v1",
        "service-account-key-file": directory / "sa.key",
        "service-account-lookup": "true",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-signing-key-file": directory / "sa.key",
        "cert-dir": directory,
        "service-cluster-ip-range": "10.0.0.0/24",
        "client-ca-file": tree / "hack/testdata/ca/ca.crt",
        "token-auth-file": tree / "hack/testdata/auth-tokens.csv",
    }
    return [f"--{name}={value}" for name, value in flags.items()]


def _controllers_flags(tree: Path, kubeconfig: Path) -> list[str]:
    authority = tree / "hack/testdata/ca"
    signing = (f"--cluster-signing-{what}-file={authority}/ca.{end}" for what, end in (("cert", "crt"), ("key", "key")))
    # The scripts update nodes without a podCIDR: theirs allocate none by default, ours do. The short grace is for the wait for
    # the node's conditions in one_function.sh.
    nodes = ("--allocate-node-cidrs=false", "--node-startup-grace-period=1s")
    return [f"--kubeconfig={kubeconfig}", *signing, *nodes]


def _write_kubeconfig(path: Path, port: int) -> None:
    cluster = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "local",
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": "controllers"}}],
        "clusters": [{"name": "local", "cluster": cluster}],
        "users": [{"name": "controllers", "user": {"token": TOKEN}}],
    }
    path.write_text(json.dumps(config))


def _commands(which: str, etcd_url: str, directory: Path) -> tuple[list[str], list[str]]:
    """How the server and its controllers are called, before the flags that both pairs are given."""
    if which == REAL:
        server = [str(peer_bin() / "kube-apiserver"), f"--etcd-servers={etcd_url}"]
        return server, [str(peer_bin() / "kube-controller-manager"), "--secure-port=0"]
    ours = [sys.executable, "-m", "pocketkube"]
    return [*ours, "apiserver", f"--data-dir={directory / 'data'}"], [*ours, "controllers"]


def _wait_until_healthy(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    context = ssl._create_unverified_context()  # a certificate of its own making, on loopback
    request = urllib.request.Request(f"https://127.0.0.1:{port}/readyz", headers={"Authorization": f"Bearer {TOKEN}"})
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), urllib.request.urlopen(request, context=context, timeout=2):
            return
        time.sleep(0.1)
    raise RuntimeError(f"the server is not ready; the end of its log:\n{log.read_text()[-2000:]}")


@contextlib.contextmanager
def running(which: str, tree: Path, logs: Path) -> Iterator[Server]:
    """The server, for the length of a `with`; both programs log to `logs`."""
    with tempfile.TemporaryDirectory(prefix=f"test-cmd-{which}-") as name, contextlib.ExitStack() as stack:
        directory, port = Path(name), free_port()
        subprocess.run(["openssl", "genrsa", "-out", directory / "sa.key", "2048"], check=True, capture_output=True)
        kubeconfig = directory / "kubeconfig"
        _write_kubeconfig(kubeconfig, port)
        url = stack.enter_context(etcd.running(str(peer_bin() / "etcd"))) if which == REAL else ""
        server, controllers = _commands(which, url, directory)
        process = _start([*server, *_apiserver_flags(tree, directory, port)], logs / f"{which}-apiserver.log", stack)
        _wait_until_healthy(port, process, logs / f"{which}-apiserver.log")
        _start([*controllers, *_controllers_flags(tree, kubeconfig)], logs / f"{which}-controllers.log", stack)
        yield Server(port, directory)


def _start(command: list[str], log: Path, stack: contextlib.ExitStack) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ)
    stack.callback(stop, process)
    return process
