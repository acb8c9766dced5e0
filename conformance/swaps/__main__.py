"""Run one flow over every combination of our components and the real ones, and tell which came to its end.

    python -m conformance.swaps                 # all combinations; the results go into the ledger
    python -m conformance.swaps real-controllers

The flow: a Deployment to Running, a new image, scale, a Job to its end, deletion with everything gone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from conformance import ledger
from conformance.kubectl.kubectl import Kubectl, find_kubectl, write_kubeconfig
from conformance.ours import pocketkube_server
from conformance.peer import peer_bin, real_server
from conformance.processes import stop
from conformance.target import Target

NODES = 2
PATIENCE = 60.0
JSON = "--kube-api-content-type=application/json"


class Combination(NamedTuple):
    """Which parts are the Go ones. The kubelet is always ours: simulated nodes."""

    apiserver: bool = False
    controllers: bool = False
    scheduler: bool = False


COMBINATIONS = {
    "ours": Combination(),
    "real-controllers": Combination(controllers=True),
    "real-scheduler": Combination(scheduler=True),
    "real-controllers-and-scheduler": Combination(controllers=True, scheduler=True),
    "real-apiserver": Combination(apiserver=True),
    "real-apiserver-and-controllers": Combination(apiserver=True, controllers=True),
    "real-apiserver-and-scheduler": Combination(apiserver=True, scheduler=True),
    "real-apiserver-controllers-and-scheduler": Combination(apiserver=True, controllers=True, scheduler=True),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m conformance.swaps", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*COMBINATIONS, []], help="which combinations (all)")
    given = parser.parse_args()
    results: dict[str, str] = {}
    for name in given.names or COMBINATIONS:
        started = time.monotonic()
        try:
            with cluster(COMBINATIONS[name]) as kubectl:
                up = time.monotonic() - started
                flow(kubectl)
        except Exception as error:  # the report goes on with the next one
            results[name] = f"FAILED: {error}"
        else:
            results[name] = f"passed, up in {up:.1f} s, flow in {time.monotonic() - started - up:.1f} s"
        print(f"{name}: {results[name]}", flush=True)
    if not given.names:
        ledger.note("swaps", dict(results))
    return 1 if any(told.startswith("FAILED") for told in results.values()) else 0


@contextmanager
def cluster(which: Combination) -> Iterator[Kubectl]:
    """The combination, up, with its nodes registered."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="swap-")))
        target = stack.enter_context((real_server if which.apiserver else pocketkube_server)())
        kubeconfig = home / "kubeconfig"
        write_kubeconfig(target, kubeconfig)
        for name, command in commands(which, target, kubeconfig, home).items():
            stack.enter_context(process(command, home / f"{name}.log"))
        kubectl = Kubectl(find_kubectl() or "kubectl", kubeconfig, "default", home)
        until(lambda: ready_nodes(kubectl) == NODES, f"{NODES} ready nodes", home)
        yield kubectl


def commands(which: Combination, target: Target, kubeconfig: Path, home: Path) -> dict[str, list[str]]:
    """The command line of each part."""
    pki = Path(target.ca).parent
    ours = [sys.executable, "-m", "pocketkube"]
    own = [f"--kubeconfig={kubeconfig}", "--leader-elect=false"]
    signing = [
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        f"--service-account-private-key-file={pki / 'sa.key'}",
        "--allocate-node-cidrs=true",
        "--cluster-cidr=10.244.0.0/16",
        "--use-service-account-credentials=true",
    ]
    controllers = [str(peer_bin() / "kube-controller-manager"), JSON, "--secure-port=0", *own, *signing]
    scheduler = [str(peer_bin() / "kube-scheduler"), JSON, "--secure-port=0", *own]
    kubelet = [f"--bootstrap-kubeconfig={kubeconfig}", f"--cert-dir={home / 'kubelet'}", f"--simulated-nodes={NODES}"]
    return {
        "controllers": controllers if which.controllers else [*ours, "controllers", *own, *signing],
        "scheduler": scheduler if which.scheduler else [*ours, "scheduler", *own],
        "kubelet": [*ours, "kubelet", *kubelet],
    }


@contextmanager
def process(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        running = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        stop(running)


def until(holds: Callable[[], Any], what: str, home: Path | None = None) -> None:
    """Wait for it; RuntimeError with the ends of the logs when it does not come."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            logs = (
                "".join(f"\n{log.name}: {log.read_text()[-600:]}" for log in sorted(home.glob("*.log"))) if home else ""
            )
            raise RuntimeError(f"no {what} within {PATIENCE:.0f} s{logs}")
        time.sleep(0.2)


def ready_nodes(kubectl: Kubectl) -> int:
    nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    conditions = [c for node in nodes for c in node["status"].get("conditions") or ()]
    return sum(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def flow(kubectl: Kubectl) -> None:
    """Raises when a step does not come to its end."""
    kubectl("create", "deployment", "web", "--image=nginx:1", "--replicas=3")
    kubectl("rollout", "status", "deployment/web", "--timeout=50s")
    kubectl("set", "image", "deployment/web", "nginx=nginx:2")
    kubectl("rollout", "status", "deployment/web", "--timeout=50s")
    kubectl("scale", "deployment/web", "--replicas=5")
    kubectl("rollout", "status", "deployment/web", "--timeout=50s")
    kubectl("create", "job", "once", "--image=busybox", "--", "true")
    kubectl("wait", "--for=condition=complete", "job/once", "--timeout=50s")
    kubectl("delete", "deployment/web", "job/once")
    until(lambda: not json.loads(kubectl("get", "pods,replicasets", "-o", "json"))["items"], "end of the pods")


if __name__ == "__main__":
    sys.exit(main())
