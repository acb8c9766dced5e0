"""Many Services at once through two servers over one etcd: no cluster IP and no node port may be given twice."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from conformance.differential.player import Answer, Session
from conformance.interop.catalog import get
from conformance.target import Target

NAMESPACE = "crowd"
COLLECTION = f"/api/v1/namespaces/{NAMESPACE}/services"
AT_ONCE = 32
TYPES = ("ClusterIP", "NodePort")


@dataclass
class Crowd:
    """What came of it; `problems` is empty when all is well."""

    created: int = 0
    cluster_ips: int = 0
    node_ports: int = 0
    problems: list[str] = field(default_factory=list)


def _service(index: int) -> dict[str, Any]:
    ports = [{"name": "a", "port": 80}, {"name": "b", "port": 81}]
    return {
        "metadata": {"name": f"s-{index:04}"},
        "spec": {"type": TYPES[index // 2 % 2], "selector": {"a": "b"}, "ports": ports[: 1 + index // 4 % 2]},
    }


class _Sender:
    """Sends from many threads, each with its own connection to each server."""

    def __init__(self, targets: tuple[Target, ...]) -> None:
        self._targets = targets
        self._local = threading.local()
        self._sessions: list[Session] = []

    def send(self, server: int, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        if not hasattr(self._local, "sessions"):
            self._local.sessions = [Session(target) for target in self._targets]
            self._sessions += self._local.sessions
        data = json.dumps(body).encode() if body is not None else None
        session: Session = self._local.sessions[server]
        return session.send(method, path, {"Content-Type": "application/json"}, data, False)

    def all(self, jobs: Iterable[int], job: Callable[[int], Answer]) -> list[Answer]:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(job, jobs))

    def close(self) -> None:
        for session in self._sessions:
            session.close()


def crowd(targets: tuple[Target, Target], count: int) -> Crowd:
    """Create `count` Services through both at once, delete half through the other one, and create those again."""
    sender, result = _Sender(targets), Crowd()
    try:
        sender.send(0, "POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        made = sender.all(range(count), lambda i: sender.send(i % 2, "POST", COLLECTION, _service(i)))
        result.created = sum(answer.status == 201 for answer in made)
        result.problems += [f"create: {a.status} {a.body.get('message')}" for a in made if a.status != 201]
        _check(targets, result)
        again = range(0, count, 3)
        gone = sender.all(again, lambda i: sender.send((i + 1) % 2, "DELETE", f"{COLLECTION}/{_name(i)}"))
        result.problems += [f"delete: {a.status} {a.body.get('message')}" for a in gone if a.status != 200]
        made = sender.all(again, lambda i: sender.send(i % 2, "POST", COLLECTION, _service(i)))
        result.problems += [f"again: {a.status} {a.body.get('message')}" for a in made if a.status != 201]
        _check(targets, result)
    finally:
        sender.close()
    return result


def _name(index: int) -> str:
    return str(_service(index)["metadata"]["name"])


def _check(targets: tuple[Target, Target], result: Crowd) -> None:
    """Addresses are unique, both servers tell the same, and every cluster IP is an IPAddress of its Service."""
    views = []
    for target in targets:
        session = Session(target)
        try:
            views.append((get(session, "/api/v1/services")["items"], _addresses(session)))
        finally:
            session.close()
    if views[0] != views[1]:
        result.problems.append("the two servers list different Services or IPAddresses")
    services, addresses = views[0]
    ips = Counter(ip for service in services for ip in service["spec"].get("clusterIPs", []) if ip != "None")
    ports = Counter(p["nodePort"] for service in services for p in service["spec"].get("ports", []) if "nodePort" in p)
    result.cluster_ips, result.node_ports = len(ips), len(ports)
    result.problems += [f"given {n} times: {what}" for what, n in [*ips.items(), *ports.items()] if n > 1]
    owners = {ip: f"{s['metadata']['namespace']}/{s['metadata']['name']}"
              for s in services for ip in s["spec"].get("clusterIPs", []) if ip != "None"}  # fmt: skip
    if owners != addresses:
        wrong = sorted(ip for ip in owners.keys() | addresses.keys() if owners.get(ip) != addresses.get(ip))
        result.problems.append(f"{len(wrong)} IPAddresses do not fit their Services: {wrong[:5]}")


def _addresses(session: Session) -> dict[str, str]:
    items = get(session, "/apis/networking.k8s.io/v1/ipaddresses")["items"]
    parents = {item["metadata"]["name"]: item["spec"]["parentRef"] for item in items}
    return {ip: f"{p['namespace']}/{p['name']}" for ip, p in parents.items() if p["resource"] == "services"}
