"""Nodes, pods and services for tests, and what a kubelet would write about pods."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from apiserver.apimachinery.clock import rfc3339, rfc3339_micro
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import MERGE_PATCH, STRATEGIC_PATCH
from controllers.framework.kinds import EVENTS, LEASES, NODES, PODS, SERVICE_ACCOUNTS, SERVICES
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


async def report(w: LoopWorld, node: str, ready: str = "True") -> None:
    """Play the kubelet: the node's Ready condition with a fresh heartbeat."""
    moment = rfc3339(w.now())
    condition = {
        "type": "Ready",
        "status": ready,
        "reason": "KubeletReady",
        "message": "",
        "lastHeartbeatTime": moment,
        "lastTransitionTime": moment,
    }
    patch = {"status": {"conditions": [condition]}}
    await w.resource(NODES).patch(node, "", patch, type=STRATEGIC_PATCH, subresource="status")


async def renew(w: LoopWorld, node: str) -> None:
    """Play the kubelet: its lease is renewed."""
    leases, namespace = w.resource(LEASES), "kube-node-lease"
    spec = {"holderIdentity": node, "leaseDurationSeconds": 40, "renewTime": rfc3339_micro(w.now())}
    if await w.find(LEASES, node, namespace) is None:
        await leases.create({"metadata": {"name": node}, "spec": spec}, namespace)
    else:
        await leases.patch(node, namespace, {"spec": spec}, type=MERGE_PATCH)


async def told(w: LoopWorld, reason: str) -> list[str]:
    """What events with a reason say."""
    return [event["message"] for event in await w.all(EVENTS) if event["reason"] == reason]


async def the_node(w: LoopWorld, name: str) -> Object:
    return await w.resource(NODES).get(name)


def taints(node: Object) -> list[tuple[str, str]]:
    """(key, effect) of a node's taints, without their common prefix."""
    found = node["spec"].get("taints") or []
    return sorted((taint["key"].removeprefix("node.kubernetes.io/"), taint["effect"]) for taint in found)
