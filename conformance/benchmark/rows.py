"""The rows of the benchmark: each loads a server in a closed loop and tells requests, latencies and the server's CPU."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from conformance.benchmark.connection import Connection, CountingWatch, open_watch, request_bytes, tls
from conformance.benchmark.process import cpu_seconds, resident_mb
from conformance.target import Target

CONNECTIONS = 32
NAMESPACE = "bench"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
LISTED = 2000
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@dataclass
class Row:
    """One measured row. `unit`: what one operation is; times in microseconds and milliseconds."""

    name: str
    operations: int
    seconds: float
    cpu: float  # seconds, all processes of the server
    p50: float = 0.0  # ms
    p99: float = 0.0
    memory: float = 0.0  # MB

    @property
    def rate(self) -> float:
        return self.operations / self.seconds if self.seconds else 0.0

    @property
    def cpu_each(self) -> float:
        """Microseconds of server CPU per operation."""
        return self.cpu / self.operations * 1e6 if self.operations else 0.0


def pod(index: int) -> dict[str, Any]:
    """A pod as a Deployment makes it: 1.9 kB as sent."""
    name = f"web-7c5ddbdf54-{index:05d}"
    probe = {"httpGet": {"path": "/healthz", "port": "http"}, "initialDelaySeconds": 3, "periodSeconds": 10}
    container = {
        "name": "web",
        "image": "registry.example.com/team/web:1.27.3",
        "args": ["--listen=:8080", "--log-level=info"],
        "env": [{"name": f"SETTING_{i}", "value": f"value-{i}"} for i in range(6)]
        + [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "ports": [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "livenessProbe": probe,
        "readinessProbe": probe,
        "volumeMounts": [{"name": "config", "mountPath": "/etc/web"}, {"name": "tmp", "mountPath": "/tmp"}],
        "securityContext": {"runAsNonRoot": True, "allowPrivilegeEscalation": False},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {"app": "web", "pod-template-hash": "7c5ddbdf54", "tier": "front"},
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "9090"},
        },
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [container],
            "volumes": [{"name": "config", "configMap": {"name": "web"}}, {"name": "tmp", "emptyDir": {}}],
            "nodeName": f"node-{index % 100}",
        },
    }


STATUS = {
    "status": {
        "phase": "Running",
        "conditions": [
            {"type": kind, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
            for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
        ],
        "podIP": "10.1.2.3",
        "podIPs": [{"ip": "10.1.2.3"}],
        "startTime": "2026-01-01T00:00:00Z",
    }
}


class Bench:
    """A server under load; connections are made once and reused by every row."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.context: ssl.SSLContext = tls(target)
        self.connections: list[Connection] = []

    async def start(self) -> None:
        self.connections = [await Connection.open(self.target, self.context) for _ in range(CONNECTIONS)]
        for path, body in (
            ("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}}),
            (f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", {"metadata": {"name": "default"}}),
        ):
            await self.connections[0].send(request_bytes("POST", path, json.dumps(body).encode()))

    async def close(self) -> None:
        for connection in self.connections:
            await connection.close()

    async def loop(self, name: str, count: int, make: Callable[[int], bytes], *, serial: bool = False) -> Row:
        """`count` requests, each connection sending its next as soon as it has an answer. Raises on an HTTP error."""
        times: list[float] = []
        clock = asyncio.get_running_loop().time
        queue = iter(range(count))

        async def work(connection: Connection) -> None:
            for index in queue:
                request = make(index)
                begun = clock()
                status, body = await connection.send(request)
                times.append(clock() - begun)
                if status >= 300:
                    raise RuntimeError(f"{name}: {status} {body[:300]!r}")

        cpu, started = cpu_seconds(self.target.pids), clock()
        used = self.connections[:1] if serial else self.connections
        await asyncio.gather(*(work(connection) for connection in used))
        seconds = clock() - started
        spent = cpu_seconds(self.target.pids) - cpu
        times.sort()
        p50, p99 = (times[int(len(times) * share)] * 1e3 for share in (0.5, 0.99))
        return Row(name, count, seconds, spent, p50, p99, resident_mb(self.target.pids))

    async def fan_out(self, watchers: int, writes: int) -> Row:
        """`writes` patches of one pod while `watchers` look on; an operation is one event at one watcher."""
        path = f"{PODS}?watch=1&resourceVersion=0&fieldSelector=metadata.name%3Dweb-7c5ddbdf54-00000"
        watches = await self._open(watchers, path)
        await asyncio.sleep(1)  # the initial events are not what is measured
        for watch in watches:
            watch.events = 0
        clock = asyncio.get_running_loop().time
        cpu, started = cpu_seconds(self.target.pids), clock()
        target = f"{PODS}/web-7c5ddbdf54-00000"
        as_merge = {"Content-Type": "application/merge-patch+json"}
        wanted = watchers * writes
        for i in range(writes):
            body = json.dumps({"metadata": {"labels": {"n": str(i), "w": str(watchers)}}}).encode()
            await self.connections[0].send(request_bytes("PATCH", target, body, as_merge))
        deadline = clock() + 60
        # Events are counted where they arrive; nobody signals.
        while sum(watch.events for watch in watches) < wanted and clock() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        seconds = max(watch.last for watch in watches) - started
        spent = cpu_seconds(self.target.pids) - cpu
        delivered = sum(watch.events for watch in watches)
        memory = resident_mb(self.target.pids)
        await self._close(watches)
        if delivered != wanted:
            raise RuntimeError(f"fan-out {watchers}: {delivered} events of {wanted}")
        return Row(f"fan-out to {watchers}", delivered, seconds, spent, memory=memory)

    async def idle_watches(self, count: int) -> Row:
        """Memory and handshake cost of watches on which nothing happens."""
        clock = asyncio.get_running_loop().time
        cpu, started, before = cpu_seconds(self.target.pids), clock(), resident_mb(self.target.pids)
        path = "/api/v1/namespaces/kube-public/configmaps?watch=1&allowWatchBookmarks=1"
        path += "&sendInitialEvents=1&resourceVersionMatch=NotOlderThan"
        watches = await self._open(count, path)
        row = Row(f"{count} idle watches", count, clock() - started, cpu_seconds(self.target.pids) - cpu)
        row.memory = resident_mb(self.target.pids) - before
        await self._close(watches)
        return row

    async def _open(self, count: int, path: str) -> list[CountingWatch]:
        watches: list[CountingWatch] = []
        for start in range(0, count, 50):
            size = min(50, count - start)
            watches += await asyncio.gather(*(open_watch(self.target, self.context, path) for _ in range(size)))
        return watches

    async def _close(self, watches: list[CountingWatch]) -> None:
        for watch in watches:
            if watch.transport is not None:
                watch.transport.close()
        await asyncio.sleep(0.5)

    # Requests by index

    def create(self, offset: int = 0) -> Callable[[int], bytes]:
        return lambda i: request_bytes("POST", PODS, json.dumps(pod(i + offset)).encode())

    def get(self, i: int) -> bytes:
        return request_bytes("GET", f"{PODS}/web-7c5ddbdf54-{i % LISTED:05d}")

    def status_patch(self, i: int) -> bytes:
        body = {"status": {**STATUS["status"], "message": f"look {i}"}}
        as_strategic = {"Content-Type": "application/strategic-merge-patch+json"}
        path = f"{PODS}/web-7c5ddbdf54-{i % LISTED:05d}/status"
        return request_bytes("PATCH", path, json.dumps(body).encode(), as_strategic)

    def apply(self, i: int) -> bytes:
        name = f"settings-{i % 200}"
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": str(i)}}
        path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{name}?fieldManager=bench&force=true"
        return request_bytes("PATCH", path, json.dumps(body).encode(), {"Content-Type": "application/apply-patch+yaml"})

    def lease(self, i: int) -> bytes:
        spec = {"holderIdentity": "bench", "leaseDurationSeconds": 40, "renewTime": f"2026-01-01T00:00:00.{i:06d}Z"}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "lease"}, "spec": spec}
        path = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/lease"
        return request_bytes("PATCH", path, json.dumps(body).encode(), {"Content-Type": "application/merge-patch+json"})

    def delete(self, i: int) -> bytes:
        return request_bytes("DELETE", f"{PODS}/web-7c5ddbdf54-{i:05d}?gracePeriodSeconds=0")


async def measure(target: Target, tell: Callable[[Row], None]) -> list[Row]:
    """All rows on one server, in order: later ones use what earlier ones made."""
    bench = Bench(target)
    await bench.start()
    rows: list[Row] = []

    async def row(work: Awaitable[Row]) -> None:
        rows.append(await work)
        tell(rows[-1])

    try:
        rows.append(Row("idle memory", 0, 0, 0, memory=resident_mb(target.pids)))
        tell(rows[-1])
        await row(bench.loop("create", LISTED, bench.create()))
        await row(bench.loop("create, serial", 300, bench.create(LISTED), serial=True))
        await bench.loop("warm", 200, bench.get)
        await row(bench.loop("get", 10_000, bench.get))
        listing = request_bytes("GET", f"{PODS}?labelSelector=app%3Dweb")
        await row(bench.loop("list 2,300", 40, lambda i: listing, serial=False))
        page = request_bytes("GET", f"{PODS}?limit=500")
        await row(bench.loop("list limit=500", 150, lambda i: page))
        table = request_bytes("GET", PODS, headers={"Accept": TABLE}).replace(b"Accept: application/json\r\n", b"", 1)
        await row(bench.loop("table", 40, lambda i: table))
        nothing = request_bytes("GET", f"{PODS}?labelSelector=app%3Dnothing")
        await row(bench.loop("list, selector matching nothing", 2000, lambda i: nothing))
        await row(bench.loop("status patch", 3000, bench.status_patch))
        await row(bench.loop("apply, small ConfigMap", 3000, bench.apply))
        create_lease = {"metadata": {"name": "lease"}, "spec": {}}
        path = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
        await bench.connections[0].send(request_bytes("POST", path, json.dumps(create_lease).encode()))
        await row(bench.loop("lease update, serial", 500, bench.lease, serial=True))
        await row(bench.fan_out(200, 300))
        await row(bench.fan_out(1000, 60))
        await row(bench.idle_watches(5000))
        await row(bench.loop("delete", LISTED, bench.delete))
        await row(bench.loop("10,000 pods", 10_000, bench.create(5000)))
    finally:
        await bench.close()
    return rows


@asynccontextmanager
async def no_garbage() -> AsyncIterator[None]:
    """The client's own garbage collection is kept out of its latencies."""
    import gc

    gc.disable()
    try:
        yield
    finally:
        gc.enable()
