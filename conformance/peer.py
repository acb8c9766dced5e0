"""The real kube-apiserver and etcd on loopback: the oracle of the recordings and the peer of the benchmark.

The programs come from Go modules, built once by `hack/build-peer` into $PEER_BIN (default ~/.cache/pocketkube/peer/bin).
"""

from __future__ import annotations

import contextlib
import os
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from conformance import etcd as etcd_process
from conformance.processes import free_port, stop
from conformance.target import Target

READY_WITHIN = 120.0


def peer_bin() -> Path:
    """Where the real programs are."""
    return Path(os.environ.get("PEER_BIN", Path.home() / ".cache/pocketkube/peer/bin"))


def missing() -> str:
    """Why the real server cannot be started here; empty when it can."""
    absent = [name for name in ("etcd", "kube-apiserver") if not (peer_bin() / name).exists()]
    return f"{', '.join(absent)} not in {peer_bin()}: run hack/build-peer" if absent else ""


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def make_pki(directory: Path) -> None:
    """A CA, the server's, the admin's, the proxy's and the kubelet client's certificates, the service-account key."""
    ca = ("-CA", directory / "ca.crt", "-CAkey", directory / "ca.key", "-CAcreateserial")
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", directory / "ca.key", "-out", directory / "ca.crt",
             "-days", "30", "-subj", "/CN=peer-ca")  # fmt: skip
    names = "subjectAltName=DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.96.0.1"
    for name, subject, extension in (
        ("server", "/CN=kube-apiserver", f"extendedKeyUsage=serverAuth\n{names}\n"),
        ("admin", "/O=system:masters/CN=admin", "extendedKeyUsage=clientAuth\n"),
        ("proxy", "/CN=front-proxy", "extendedKeyUsage=clientAuth\n"),
        ("kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client", "extendedKeyUsage=clientAuth\n"),
    ):
        (directory / f"{name}.ext").write_text(extension)
        _openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", directory / f"{name}.key", "-out",
                 directory / f"{name}.csr", "-subj", subject)  # fmt: skip
        _openssl("x509", "-req", "-in", directory / f"{name}.csr", *ca, "-out", directory / f"{name}.crt", "-days", "30",
                 "-extfile", directory / f"{name}.ext")  # fmt: skip
    _openssl("genrsa", "-out", directory / "sa.key", "2048")


def _start_apiserver(directory: Path, etcd: str, port: int, extra: tuple[str, ...]) -> subprocess.Popen[bytes]:
    flags = {
        "etcd-servers": etcd,
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
        "storage-media-type": "application/json",
        "enable-admission-plugins": "NodeRestriction",
        "requestheader-client-ca-file": directory / "ca.crt",
        "requestheader-allowed-names": "front-proxy",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "proxy-client-cert-file": directory / "proxy.crt",
        "proxy-client-key-file": directory / "proxy.key",
        "kubelet-client-certificate": directory / "kubelet-client.crt",
        "kubelet-client-key": directory / "kubelet-client.key",
        "allow-privileged": "true",
    }
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    with (directory / "apiserver.log").open("wb") as log:
        return subprocess.Popen([peer_bin() / "kube-apiserver", *arguments, *extra], stdout=log, stderr=log)


def _answers_ok(url: str, context: ssl.SSLContext) -> bool:
    try:
        with urllib.request.urlopen(url, context=context, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def wait_ready(target: Target, process: subprocess.Popen[bytes], log: Path) -> float:
    """Seconds until /readyz said ok. Raises RuntimeError with the log's path when it never does."""
    context = ssl.create_default_context(cafile=target.ca)
    context.load_cert_chain(target.cert, target.key)
    started = time.monotonic()
    while time.monotonic() - started < READY_WITHIN:
        if process.poll() is not None:
            raise RuntimeError(f"the server exited; see {log}")
        if _answers_ok(f"{target.url}/readyz", context):
            return time.monotonic() - started
        time.sleep(0.02)
    raise RuntimeError(f"not ready within {READY_WITHIN:.0f} s; see {log}")


@contextlib.contextmanager
def real_server(*extra: str, etcd: str = "") -> Iterator[Target]:
    """The real pair for the length of a `with`; `etcd` names one that is there already, `extra` are further flags."""
    with tempfile.TemporaryDirectory(prefix="peer-") as name:
        directory = Path(name)
        make_pki(directory)
        processes = []
        try:
            if not etcd:
                process, etcd = etcd_process.start(str(peer_bin() / "etcd"), directory)
                processes.append(process)
            port = free_port()
            processes.append(_start_apiserver(directory, etcd, port, extra))
            target = Target(
                f"https://127.0.0.1:{port}",
                str(directory / "ca.crt"),
                str(directory / "admin.crt"),
                str(directory / "admin.key"),
                tuple(p.pid for p in processes),
                str(directory / "apiserver.log"),
            )
            yield replace(target, ready_after=wait_ready(target, processes[-1], directory / "apiserver.log"))
        finally:
            for process in reversed(processes):  # the API server first: it needs etcd to leave in good order
                stop(process)
