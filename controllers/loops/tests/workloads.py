"""Workloads for tests, and questions about a world of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from apiserver.apimachinery.objects import Object
from apiserver.client.resources import MERGE_PATCH
from controllers.framework import pods as pod_facts
from controllers.framework.kinds import DEPLOYMENTS, EVENTS, PODS, REPLICA_SETS, SERVICE_ACCOUNTS
from controllers.tests.worlds import LoopWorld, loop_world


@asynccontextmanager
async def workload_world(*loops: str, **options: Any) -> AsyncIterator[LoopWorld]:
    """A world with the loops and with the service account that pods run under."""
    async with loop_world("serviceaccount-controller", *loops, **options) as w:
        await w.eventually(lambda: w.find(SERVICE_ACCOUNTS, "default"))
        yield w


def template(image: str = "nginx", **spec: Any) -> Object:
    """A pod template with the label app=web."""
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": image}], **spec},
    }


def workload(name: str = "web", replicas: int = 3, **spec: Any) -> Object:
    """The object of anything with replicas, a selector and a template."""
    made = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template()}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {**made, **spec}}


async def active_pods(w: LoopWorld, labels: str = "") -> list[Object]:
    return [pod for pod in await w.all(PODS, labels=labels) if pod_facts.is_active(pod)]


async def told(w: LoopWorld, reason: str) -> list[str]:
    """What events with a reason say."""
    return [event["message"] for event in await w.all(EVENTS) if event["reason"] == reason]


def condition(obj: Object, kind: str) -> Object:
    found = pod_facts.condition(obj, kind)
    assert found is not None, f"no condition {kind}: {obj.get('status')}"
    return found


async def patch_spec(w: LoopWorld, name: str, spec: Object, resource: Any = DEPLOYMENTS) -> Object:
    return await w.resource(resource).patch(name, "default", {"spec": spec}, type=MERGE_PATCH)


async def sets(w: LoopWorld) -> dict[str, Object]:
    """The replica sets by the image of their template."""
    return {s["spec"]["template"]["spec"]["containers"][0]["image"]: s for s in await w.all(REPLICA_SETS)}


async def sizes(w: LoopWorld) -> dict[str, int]:
    return {image: s["spec"]["replicas"] for image, s in (await sets(w)).items()}


async def play(w: LoopWorld, seconds: float, every: float = 1.0) -> None:
    """Play scheduler and kubelet for a while: what waits runs, what is to go is gone."""
    for _ in range(int(seconds / every)):
        await w.run_pods()
        await w.finish_deletions()
        await w.settle(every)
