"""A Deployment over many simulated nodes, to Running and gone again: `make bench ARGS="--rows cluster"`, or alone with
other numbers `python -m conformance.benchmark.cluster [--pods N] [--nodes N] [--up ARGUMENT]`.

Every write is made that the real components make: pods, bindings, statuses, events. Told are pods per second, the API
server's requests, and the CPU of each component.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from conformance.benchmark.process import cpu_seconds
from conformance.cluster import running_cluster
from conformance.kubectl.kubectl import Kubectl, find_kubectl

POLL = 0.25
PATIENCE = 600.0
NAMESPACE = "bench"
PODS, NODES = 1000, 100
GOAL = 60.0  # pods per second to Running on two cores


class Measured(NamedTuple):
    """One phase. CPU in seconds, by component."""

    seconds: float
    requests: int
    cpu: dict[str, float]

    def line(self, name: str, pods: int) -> str:
        cpu = " ".join(f"{component} {used:.1f}" for component, used in self.cpu.items())
        rates = f"{pods / self.seconds:.0f} pods/s, {self.requests / self.seconds:.0f} requests/s"
        return f"{name:<10} {self.seconds:6.1f} s  {rates}, {self.requests / pods:.1f} requests each; CPU s: {cpu}"

    def entry(self, pods: int) -> dict[str, Any]:
        """As the ledger has it."""
        cpu = {component: round(used / pods * 1e3, 2) for component, used in self.cpu.items()}
        figures = {"per_second": round(pods / self.seconds, 1), "requests_each": round(self.requests / pods, 1)}
        return {"ours": {**figures, "cpu_ms_each": cpu}}


class Bench:
    """A running cluster and its processes."""

    def __init__(self, kubectl: Kubectl, data: Path) -> None:
        self.kubectl = kubectl
        components = json.loads((data / "cluster.json").read_text())["components"]
        self.pids = {c["name"]: int(c["pid"]) for c in components}

    def measure(self, act: Callable[[], Any], done: Callable[[], bool]) -> Measured:
        """Time from the act to the first look that finds it done."""
        cpu, requests, started = self._cpu(), self._requests(), time.monotonic()
        act()
        while not done():
            if time.monotonic() - started > PATIENCE:
                raise TimeoutError("it does not come to an end")
            time.sleep(POLL)
        seconds = time.monotonic() - started
        used = {name: value - cpu[name] for name, value in self._cpu().items()}
        return Measured(seconds, self._requests() - requests, used)

    def _cpu(self) -> dict[str, float]:
        return {name: cpu_seconds((pid,)) for name, pid in self.pids.items()}

    def _requests(self) -> int:
        text = self.kubectl("get", "--raw", "/metrics")
        return sum(int(float(n)) for n in re.findall(r"^apiserver_request_total\{.*\} (\S+)$", text, re.MULTILINE))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m conformance.benchmark.cluster", description=__doc__)
    parser.add_argument("--pods", type=int, default=PODS)
    parser.add_argument("--nodes", type=int, default=NODES)
    parser.add_argument("--up", action="append", default=[], help="a further argument of pocketkube up")
    given = parser.parse_args()
    measure(given.pods, given.nodes, *given.up)
    return 0


def measure(pods: int = PODS, nodes: int = NODES, *up: str) -> dict[str, dict[str, Any]]:
    """A cluster from its start to its end; what was found, as entries of the ledger by name."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        started = time.monotonic()
        with running_cluster(Path(name), *up, nodes=nodes) as kubeconfig:
            ready = time.monotonic() - started
            print(f"cluster    {ready:6.1f} s  until {nodes} nodes are ready", flush=True)
            kubectl = Kubectl(find_kubectl() or "kubectl", kubeconfig, NAMESPACE, Path(name))
            running, gone = run(Bench(kubectl, Path(name) / "data"), pods)
    return {
        f"cluster, {nodes} nodes ready": {"ours": {"value": round(ready, 1)}, "unit": "s"},
        f"cluster, {pods:,} pods to Running": {**running.entry(pods), "unit": "pods", "goal": GOAL},
        f"cluster, {pods:,} pods to gone": {**gone.entry(pods), "unit": "pods"},
    }


def run(bench: Bench, pods: int) -> tuple[Measured, Measured]:
    kubectl = bench.kubectl
    kubectl("create", "namespace", NAMESPACE)
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/web"

    def available() -> bool:
        status = json.loads(kubectl("get", "--raw", path))["status"]
        return bool(status.get("availableReplicas", 0) == pods)

    def gone() -> bool:
        listed = kubectl("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods?limit=1")
        return not json.loads(listed)["items"]

    create = ("create", "deployment", "web", "--image=nginx", f"--replicas={pods}", "-n", NAMESPACE)
    up = bench.measure(lambda: kubectl(*create), available)
    print(up.line("to Running", pods), flush=True)
    delete = ("delete", "deployment", "web", "-n", NAMESPACE, "--wait=false")
    down = bench.measure(lambda: kubectl(*delete), gone)
    print(down.line("to gone", pods), flush=True)
    return up, down


if __name__ == "__main__":
    sys.exit(main())
