"""Metrics APIs for tests: a front before the server that answers for them what the test has set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.http import Headers
from apiserver.apimachinery.objects import Object
from apiserver.client.interface import Transport, TransportResponse
from apiserver.client.transport import LoopbackResponse
from controllers.framework.kinds import DEPLOYMENTS, HORIZONTAL_POD_AUTOSCALERS, PODS
from controllers.loops.tests.workloads import play, workload
from controllers.tests.worlds import LoopWorld

LOOPS = ("horizontal-pod-autoscaler-controller", "deployment-controller", "replicaset-controller")


class _Fronted:
    """A Transport whose answers are the front's where it has one."""

    def __init__(self, front: MetricsFront, server: Transport) -> None:
        self._front = front
        self._server = server

    async def send(
        self, method: str, target: str, *, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> TransportResponse:
        answer = self._front.answer(target, headers)
        return answer or await self._server.send(method, target, headers=headers, body=body)

    async def aclose(self) -> None:
        await self._server.aclose()


class MetricsFront:
    """`answers`: path → document; served beside what the server has. `asked`: the queries of each path."""

    def __init__(self) -> None:
        self.answers: dict[str, Object] = {}
        self.asked: dict[str, dict[str, list[str]]] = {}

    def before(self, server: Transport) -> Transport:
        return _Fronted(self, server)

    def answer(self, target: str, headers: Sequence[tuple[str, str]]) -> TransportResponse | None:
        """None: the server is to answer."""
        parts = urlsplit(target)
        answer = self.answers.get(parts.path)
        aggregated = any("apidiscovery" in value for name, value in headers if name == "Accept")
        if answer is None or aggregated:
            return None
        self.asked[parts.path] = parse_qs(parts.query)
        return LoopbackResponse(200, Headers(()), "application/json", [orjson.dumps(answer)])

    async def use_cpu(self, w: LoopWorld, each: str) -> None:
        """Every pod uses as much."""
        items = [
            {
                "metadata": {"name": pod["metadata"]["name"]},
                "timestamp": rfc3339(w.now()),
                "window": "30s",
                "containers": [{"name": "main", "usage": {"cpu": each, "memory": "64Mi"}}],
            }
            for pod in await w.all(PODS)
        ]
        self.answers["/apis/metrics.k8s.io/v1beta1/namespaces/default/pods"] = {"items": items}

    def register(self, group: str, version: str) -> None:
        entry = {"groupVersion": f"{group}/{version}", "version": version}
        self.answers["/apis"] = {"groups": [{"name": group, "versions": [entry], "preferredVersion": entry}]}


async def deployed(w: LoopWorld, replicas: int = 2, cpu: str = "100m") -> None:
    """A Deployment whose pods have run long enough for their CPU to count."""
    made = workload(replicas=replicas)
    made["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": cpu}}
    await w.resource(DEPLOYMENTS).create(made, "default")
    await w.settle()
    await run(w)


async def run(w: LoopWorld) -> None:
    """Play the kubelet: pods run, and have run for a while."""
    await play(w, 3)
    for pod in await w.all(PODS):
        if not (pod.get("status") or {}).get("startTime"):
            status = {"startTime": rfc3339(w.now() - 1000)}
            await w.resource(PODS).patch(pod["metadata"]["name"], "default", {"status": status}, subresource="status")


async def autoscale(w: LoopWorld, metrics: list[Object] | None = None, most: int = 10, **spec: Any) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    made = {"scaleTargetRef": target, "maxReplicas": most, **({"metrics": metrics} if metrics else {}), **spec}
    await w.resource(HORIZONTAL_POD_AUTOSCALERS).create({"metadata": {"name": "web"}, "spec": made}, "default")
    await w.settle(2)


async def autoscaler(w: LoopWorld) -> Object:
    found = await w.find(HORIZONTAL_POD_AUTOSCALERS, "web")
    assert found is not None
    return found


async def size(w: LoopWorld) -> int:
    found = await w.find(DEPLOYMENTS, "web")
    assert found is not None
    return int(found["spec"]["replicas"])


def cpu_percent(percent: int) -> Object:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}
