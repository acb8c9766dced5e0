"""The two programs side by side: the real kube-controller-manager and `pocketkube controllers`, with the same loops."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from conformance.peer import peer_bin
from conformance.processes import stop
from conformance.target import Target

LOOPS = (
    "serviceaccount-controller",
    "garbage-collector-controller",
    "replicationcontroller-controller",
    "replicaset-controller",
    "deployment-controller",
    "statefulset-controller",
    "daemonset-controller",
    "job-controller",
    "cronjob-controller",
    "ttl-after-finished-controller",
    "disruption-controller",
    "horizontal-pod-autoscaler-controller",
)
THEIRS, OURS = "kube-controller-manager", "pocketkube"


def missing() -> str:
    """Why the check cannot run here; empty when it can."""
    program = peer_bin() / THEIRS
    return "" if program.exists() else f"{program} is not there: run hack/build-peer"


def _kubeconfig(target: Target, path: Path) -> None:
    cluster = {"server": target.url, "certificate-authority": target.ca}
    user = {"client-certificate": target.cert, "client-key": target.key}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "check",
        "contexts": [{"name": "check", "context": {"cluster": "check", "user": "check"}}],
        "clusters": [{"name": "check", "cluster": cluster}],
        "users": [{"name": "check", "user": user}],
    }
    path.write_text(json.dumps(config))


@contextlib.contextmanager
def running(program: str, target: Target) -> Iterator[None]:
    """One of the two against a server, for the length of a `with`. Raises RuntimeError when it ended before."""
    with tempfile.TemporaryDirectory(prefix="loops-") as name:
        kubeconfig, log = Path(name) / "kubeconfig", Path(name) / "log"
        _kubeconfig(target, kubeconfig)
        flags = [f"--kubeconfig={kubeconfig}", f"--controllers={','.join(LOOPS)}", "--leader-elect=false"]
        if program == THEIRS:
            # Our server reads protobuf and writes JSON; what it is asked for must be what it has.
            command = [str(peer_bin() / THEIRS), *flags, "--secure-port=0", "--kube-api-content-type=application/json"]
        else:
            command = [sys.executable, "-m", "pocketkube", "controllers", *flags]
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out)
        try:
            yield
            if process.poll() is not None:
                raise RuntimeError(f"{program} ended with {process.returncode}:\n{log.read_text()[-2000:]}")
        finally:
            stop(process)
