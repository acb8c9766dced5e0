"""kill -9 of components under load: `python -m conformance.robustness.kills`.

Two controllers, two schedulers and two processes of simulated nodes over one API server. While Deployments, StatefulSets and
Jobs come, change and go, components are killed, one after the other and all at once, and started again. Judged at the end,
once the load has stopped: everything asked for runs, nothing runs twice, nothing belongs to nobody, nothing is stuck, and the
other of two took over within the lease.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance import ledger
from conformance.kubectl.kubectl import Kubectl, find_kubectl, write_kubeconfig
from conformance.ours import apiserver_flags
from conformance.peer import make_pki
from conformance.processes import free_port
from conformance.target import Target

NAMESPACE = "churn"
LEADERS = {"controllers": "kube-controller-manager", "scheduler": "kube-scheduler"}  # kind of component → its lease
LEASE = 15.0  # seconds, and RETRY is how often the other one looks
RETRY = 2.0 * 2.2
SLACK = 5.0  # for a machine with other things to do
SETTLED_WITHIN = 180.0
NAMES = 6  # Deployments, StatefulSets and Jobs that come and go


@dataclass
class Component:
    """One process through its lives."""

    name: str
    command: list[str]
    log: Path
    running: subprocess.Popen[bytes] | None = None
    kills: int = 0

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.running = subprocess.Popen(self.command, stdout=output, stderr=subprocess.STDOUT)

    def kill(self) -> None:
        assert self.running is not None
        self.running.kill()
        self.running.wait()
        self.kills += 1

    def stop(self) -> None:
        if self.running is not None and self.running.poll() is None:
            self.running.terminate()
            try:
                self.running.wait(20)
            except subprocess.TimeoutExpired:
                self.running.kill()
                self.running.wait()


@dataclass
class Report:
    """What was found. `problems` is empty when every promise held."""

    kills: dict[str, int] = field(default_factory=dict)
    handovers: dict[str, float] = field(default_factory=dict)  # lease → seconds
    writes: int = 0
    settled: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kills = ", ".join(f"{name} {count}" for name, count in self.kills.items())
        handovers = ", ".join(f"{lease} {seconds:.1f} s" for lease, seconds in self.handovers.items())
        told = [f"kills: {kills}", f"hand-over: {handovers}", f"{self.writes} writes; settled in {self.settled:.1f} s"]
        return "\n".join([*told, *(f"PROBLEM: {p}" for p in self.problems)])


@contextmanager
def components(home: Path) -> Iterator[tuple[dict[str, Component], Kubectl]]:
    """Everything started, and kubectl for it."""
    make_pki(home)
    port = free_port()
    target = Target(f"https://127.0.0.1:{port}", str(home / "ca.crt"), str(home / "admin.crt"), str(home / "admin.key"))
    kubeconfig = home / "kubeconfig"
    write_kubeconfig(target, kubeconfig)
    ours = [sys.executable, "-m", "pocketkube"]
    parts = {
        name: Component(name, [*ours, *arguments], home / f"{name}.log")
        for name, arguments in _commands(home, port, kubeconfig).items()
    }
    try:
        for part in parts.values():
            part.start()
        kubectl = Kubectl(find_kubectl() or "kubectl", kubeconfig, NAMESPACE, home)
        wait(lambda: kubectl.run("create", "namespace", NAMESPACE).code == 0, 60, "the API server")
        wait(lambda: len(ready_nodes(kubectl)) == 4, 60, "four nodes")
        yield parts, kubectl
    finally:
        for part in reversed(parts.values()):
            part.stop()


def _commands(home: Path, port: int, kubeconfig: Path) -> dict[str, list[str]]:
    loops = [
        f"--kubeconfig={kubeconfig}",
        f"--cluster-signing-cert-file={home / 'ca.crt'}",
        f"--cluster-signing-key-file={home / 'ca.key'}",
        f"--service-account-private-key-file={home / 'sa.key'}",
        "--use-service-account-credentials=true",
    ]
    commands = {"apiserver": ["apiserver", f"--data-dir={home / 'data'}", *apiserver_flags(home, port)]}
    for each in (1, 2):
        commands[f"controllers-{each}"] = ["controllers", *loops]
        commands[f"scheduler-{each}"] = ["scheduler", f"--kubeconfig={kubeconfig}"]
        commands[f"kubelet-{each}"] = [
            "kubelet",
            f"--bootstrap-kubeconfig={kubeconfig}",
            f"--cert-dir={home / f'kubelet-{each}'}",
            f"--node-name=n{each}",
            "--simulated-nodes=2",
        ]
    return commands


def wait(holds: Callable[[], Any], within: float, what: str) -> float:
    """Seconds until it held. Raises TimeoutError."""
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > within:
            raise TimeoutError(f"{what}: not within {within:.0f} s")
        time.sleep(0.2)
    return time.monotonic() - started


def items(kubectl: Kubectl, what: str, *more: str) -> list[Any]:
    """What there is; nothing while the API server is away."""
    done = kubectl.run("get", what, "-o", "json", *more)
    return list(json.loads(done.out)["items"]) if done.code == 0 else []


def ready_nodes(kubectl: Kubectl) -> list[str]:
    return [
        node["metadata"]["name"]
        for node in items(kubectl, "nodes")
        if any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions") or ())
    ]


class Load(threading.Thread):
    """Creates, scales, changes and deletes workloads until told to stop; failures while the server is away are its lot."""

    def __init__(self, kubectl: Kubectl, rand: random.Random) -> None:
        super().__init__(name="load")
        self._kubectl, self._rand = kubectl, rand
        self._end = threading.Event()
        self.writes = 0

    def run(self) -> None:
        while not self._end.wait(0.1):
            if self._kubectl.run(*self._command()).code == 0:
                self.writes += 1

    def _command(self) -> list[str]:
        name = f"w{self._rand.randrange(NAMES)}"
        replicas = self._rand.randrange(1, 5)
        return self._rand.choice(
            [
                ["create", "deployment", name, "--image=nginx:1", f"--replicas={replicas}"],
                ["scale", f"deployment/{name}", f"--replicas={replicas}"],
                ["set", "image", f"deployment/{name}", f"nginx=nginx:{self._rand.randrange(1, 4)}"],
                ["delete", "deployment", name, "--wait=false"],
                ["create", "job", f"j{self._rand.randrange(1000)}", "--image=busybox", "--", "sleep", "1"],
                ["scale", f"statefulset/{name}", f"--replicas={replicas}"],
            ]
        )

    def stop(self) -> None:
        self._end.set()
        self.join()


STATEFUL = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: {name}}}
spec:
  serviceName: {name}
  replicas: 2
  selector: {{matchLabels: {{set: {name}}}}}
  template:
    metadata: {{labels: {{set: {name}}}}}
    spec: {{containers: [{{name: c, image: nginx}}]}}
"""


def handovers(kubectl: Kubectl, parts: dict[str, Component]) -> dict[str, float]:
    """Kill the leader of each kind; by lease, seconds until the other one leads. The killed ones are started again then."""
    before = {lease: holder(kubectl, lease) for lease in LEADERS.values()}
    leaders = [_leader(parts, kind, before[lease]) for kind, lease in LEADERS.items()]
    for leader in leaders:
        leader.kill()
    started, taken = time.monotonic(), dict[str, float]()

    def all_taken() -> bool:
        for lease, first in before.items():
            if lease not in taken and holder(kubectl, lease) not in ("", first):
                taken[lease] = time.monotonic() - started
        return len(taken) == len(before)

    try:
        wait(all_taken, LEASE + RETRY + SLACK, f"hand-over of {', '.join(before)}")
        return taken
    finally:
        for leader in leaders:
            leader.start()


def holder(kubectl: Kubectl, lease: str) -> str:
    done = kubectl.run("get", "lease", lease, "-n", "kube-system", "-o", "jsonpath={.spec.holderIdentity}")
    return done.out


def _leader(parts: dict[str, Component], kind: str, identity: str) -> Component:
    running = (p for p in parts.values() if p.running is not None and p.name.startswith(kind))
    return next(p for p in running if p.running is not None and identity.endswith(f"_{p.running.pid}"))


def run(home: Path, seed: int, rounds: int) -> Report:
    """Load, kills, rest, judgement."""
    report = Report()
    rand = random.Random(seed)
    with components(home) as (parts, kubectl):
        for index in range(NAMES):
            kubectl("apply", "-f", "-", stdin=STATEFUL.format(name=f"w{index}"))
        load = Load(kubectl, rand)
        load.start()
        try:
            report.handovers = handovers(kubectl, parts)
            for _ in range(rounds):
                _kill(rand.sample(list(parts.values()), rand.randrange(1, 4)), rand)
                time.sleep(2)
            _kill(list(parts.values()), rand)  # all at once: a full restart
            time.sleep(2)
        except TimeoutError as error:
            report.problems.append(str(error))
        finally:
            load.stop()
        report.writes = load.writes
        report.kills = dict(sorted(Counter({p.name: p.kills for p in parts.values()}).items()))
        _judge(report, kubectl)
    return report


def _kill(victims: list[Component], rand: random.Random) -> None:
    for victim in victims:
        victim.kill()
    time.sleep(rand.random())
    for victim in victims:
        victim.start()


def _judge(report: Report, kubectl: Kubectl) -> None:
    found: list[str] = ["nothing was looked at"]

    def settled() -> bool:
        found[:] = problems(kubectl)
        return not found

    try:
        report.settled = wait(settled, SETTLED_WITHIN, "rest")
    except TimeoutError:
        report.problems += found


def problems(kubectl: Kubectl) -> list[str]:
    """What is not as it should be once nobody asks for anything new."""
    what = "deployments,replicasets,statefulsets,jobs,pods"
    done = kubectl.run("get", what, "-o", "json")
    if done.code:
        return ["the API server does not answer"]
    objects = json.loads(done.out)["items"]
    pods = [o for o in objects if o["kind"] == "Pod"]
    uids = {o["metadata"]["uid"]: o for o in objects}
    return [*_owners(objects, uids), *_stuck(objects), *_counts(objects, pods)]


def _owners(objects: list[Any], uids: dict[str, Any]) -> Iterator[str]:
    for obj in objects:
        for owner in obj["metadata"].get("ownerReferences") or ():
            if owner["uid"] not in uids:
                yield f"{obj['kind']} {obj['metadata']['name']} belongs to nobody: {owner['kind']} {owner['name']} is gone"


def _stuck(objects: list[Any]) -> Iterator[str]:
    for obj in objects:
        if obj["metadata"].get("deletionTimestamp"):
            yield f"{obj['kind']} {obj['metadata']['name']} is being deleted"


def _counts(objects: list[Any], pods: list[Any]) -> Iterator[str]:
    """Each set has just the pods it asks for, all of them ready; each Job has ended once."""
    live = [pod for pod in pods if pod["status"]["phase"] not in ("Succeeded", "Failed")]
    for obj in objects:
        name, wanted = f"{obj['kind']} {obj['metadata']['name']}", obj["spec"].get("replicas")
        if obj["kind"] in ("ReplicaSet", "StatefulSet"):
            own = [pod for pod in live if _owned(pod, obj)]
            ready = sum(_is_ready(pod) for pod in own)
            if (len(own), ready) != (wanted, wanted):
                yield f"{name} wants {wanted} pods, has {len(own)}, {ready} ready"
        elif obj["kind"] == "Deployment" and obj["status"].get("availableReplicas", 0) != wanted:
            yield f"{name} wants {wanted} pods, {obj['status'].get('availableReplicas', 0)} available"
        elif obj["kind"] == "Job" and obj["status"].get("succeeded") != 1:
            yield f"{name} has not ended: {obj['status']}"


def _owned(pod: Any, owner: Any) -> bool:
    return any(r["uid"] == owner["metadata"]["uid"] for r in pod["metadata"].get("ownerReferences") or ())


def _is_ready(pod: Any) -> bool:
    conditions = pod["status"].get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m conformance.robustness.kills", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10, help="rounds of one to three kills (10)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        report = run(Path(name), given.seed, given.rounds)
    print(report)
    result = {**dataclasses.asdict(report), "rounds": given.rounds, "seed": given.seed}
    ledger.note("kills", {k: round(v, 1) if isinstance(v, float) else v for k, v in result.items()})
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
