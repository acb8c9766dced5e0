"""Jobs for tests, and a hand that plays their pods."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.objects import Object, annotations_of
from apiserver.client.resources import MERGE_PATCH
from controllers.framework import pods as pod_facts
from controllers.framework.kinds import JOBS, PODS
from controllers.loops.job import facts
from controllers.tests.worlds import LoopWorld

BATCH = 1.5  # seconds until what pods did is looked at


def job_object(name: str = "work", **spec: Any) -> Object:
    pod: dict[str, Any] = {"containers": [{"name": "main", "image": "busybox"}], "restartPolicy": "Never"}
    template = {"spec": {**pod, **spec.pop("pod", {})}}
    return {"metadata": {"name": name}, "spec": {"template": template, **spec}}


async def start(w: LoopWorld, **spec: Any) -> Object:
    created = await w.resource(JOBS).create(job_object(**spec), "default")
    await w.settle(BATCH)
    return created


async def job(w: LoopWorld, name: str = "work") -> Object:
    found = await w.find(JOBS, name)
    assert found is not None
    return found


async def active(w: LoopWorld) -> list[Object]:
    """The pods that work, by name of creation."""
    return [pod for pod in await w.all(PODS) if pod_facts.is_active(pod)]


async def by_index(w: LoopWorld) -> dict[int, Object]:
    """The active pods by completion index."""
    return {int(annotations_of(pod)[facts.INDEX]): pod for pod in await active(w)}


async def end(
    w: LoopWorld, pod: Object, phase: str, code: int | None = None, conditions: list[Object] | None = None
) -> None:
    """The pod's container ended with `code`; by default as the phase says."""
    await w.set_phase(pod, "Running")
    exit_code = (0 if phase == "Succeeded" else 1) if code is None else code
    terminated = {"exitCode": exit_code, "finishedAt": rfc3339(w.now()), "startedAt": rfc3339(w.now()), "reason": "x"}
    container = {
        "name": "main",
        "image": "busybox",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"terminated": terminated},
    }
    ready = {"type": "Ready", "status": "False", "lastTransitionTime": rfc3339(w.now())}
    status = {"phase": phase, "containerStatuses": [container], "conditions": [ready, *(conditions or [])]}
    name = pod["metadata"]["name"]
    await w.resource(PODS).patch(name, "default", {"status": status}, type=MERGE_PATCH, subresource="status")


async def end_all(w: LoopWorld, phase: str) -> int:
    pods = await active(w)
    for pod in pods:
        await end(w, pod, phase)
    await w.settle(BATCH)
    return len(pods)


def conditions_of(found: Object) -> list[tuple[str, str, str]]:
    return [(c["type"], c["reason"], c["message"]) for c in found["status"].get("conditions") or ()]
