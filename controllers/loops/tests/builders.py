"""Nodes, pods and services for tests, and what a kubelet would write about pods."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import MERGE_PATCH
from controllers.framework.kinds import NODES, PODS, SERVICE_ACCOUNTS, SERVICES
from controllers.tests.worlds import LoopWorld, loop_world


@asynccontextmanager
async def pod_world(*loops: str, settings: dict[str, Any] | None = None) -> AsyncIterator[LoopWorld]:
    """A loop_world in whose default namespace pods can be created at once."""
    async with loop_world(*loops, settings=settings) as w:
        await w.resource(SERVICE_ACCOUNTS).create({"metadata": {"name": "default"}}, "default")
        yield w


def pod(name: str, labels: dict[str, str] | None = None, node: str = "", **spec: Any) -> Object:
    container = {"name": "c", "image": "nginx", "ports": [{"name": "http", "containerPort": 8080}]}
    made: dict[str, Any] = {"containers": [container], **spec}
    if node:
        made["nodeName"] = node
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": made}


async def make_node(w: LoopWorld, name: str, **labels: str) -> Object:
    given = {key.replace("__", "/").replace("_", "."): value for key, value in labels.items()}
    return await w.resource(NODES).create({"metadata": {"name": name, "labels": given}})


async def make_service(w: LoopWorld, name: str, **spec: Any) -> Object:
    wanted = {"selector": {"app": name}, "ports": [{"name": "web", "port": 80, "targetPort": "http"}], **spec}
    return await w.resource(SERVICES).create({"metadata": {"name": name}, "spec": wanted}, "default")


async def make_pod(w: LoopWorld, name: str, ip: str, *, app: str, node: str = "n1", ready: bool = True) -> Object:
    """A pod on a node, running under an address."""
    made = await w.resource(PODS).create(pod(name, {"app": app}, node), "default")
    return await tell(w, made, ip=ip, ready=ready)


async def tell(w: LoopWorld, about: Object, *, ip: str = "", ready: bool = True, phase: str = "Running") -> Object:
    """Play the kubelet: the pod's phase, readiness and address."""
    moment = rfc3339(w.now())
    condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": moment}
    status: dict[str, Any] = {"phase": phase, "conditions": [condition]}
    if ip:
        status |= {"podIP": ip.split(",")[0], "podIPs": [{"ip": each} for each in ip.split(",")]}
    meta = about["metadata"]
    patch = {"status": status}
    return await w.resource(PODS).patch(meta["name"], meta["namespace"], patch, type=MERGE_PATCH, subresource="status")
