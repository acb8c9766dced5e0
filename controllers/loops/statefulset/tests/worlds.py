"""StatefulSets for tests."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.objects import Object
from controllers.framework.kinds import PERSISTENT_VOLUME_CLAIMS, PODS, STATEFUL_SETS
from controllers.loops.tests.workloads import template
from controllers.tests.worlds import LoopWorld

LOOP = "statefulset-controller"


def claim_template(name: str = "data") -> Object:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"metadata": {"name": name}, "spec": spec}


async def start(w: LoopWorld, replicas: int = 3, **spec: Any) -> Object:
    made = {
        "replicas": replicas,
        "serviceName": "web",
        "selector": {"matchLabels": {"app": "web"}},
        "template": template(),
        **spec,
    }
    created = await w.resource(STATEFUL_SETS).create({"metadata": {"name": "web"}, "spec": made}, "default")
    await w.settle()
    return created


async def scale(w: LoopWorld, replicas: int) -> None:
    await w.resource(STATEFUL_SETS).patch("web", "default", {"spec": {"replicas": replicas}})
    await w.settle()


async def change_image(w: LoopWorld, image: str) -> None:
    await w.resource(STATEFUL_SETS).patch("web", "default", {"spec": {"template": template(image)}})
    await w.settle()


async def pods(w: LoopWorld) -> dict[str, str]:
    """Name → image of every pod, those on their way out included."""
    return {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"] for pod in await w.all(PODS)}


async def claims(w: LoopWorld) -> list[str]:
    return [claim["metadata"]["name"] for claim in await w.all(PERSISTENT_VOLUME_CLAIMS)]


async def status(w: LoopWorld) -> Object:
    found = await w.find(STATEFUL_SETS, "web")
    assert found is not None
    return found["status"]  # type: ignore[no-any-return]
