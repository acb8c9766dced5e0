"""Claims, slices and rules for tests, and what a scheduler would write about them."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.objects import Object
from controllers.framework.kinds import PODS, RESOURCE_CLAIM_TEMPLATES, RESOURCE_CLAIMS, RESOURCE_SLICES
from controllers.loops.tests.builders import pod
from controllers.tests.worlds import LoopWorld

DRIVER, POOL = "gpu.example.com", "p1"
FINALIZER = "resource.kubernetes.io/delete-protection"
REQUESTS: Object = {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu"}}]}}


async def make_template(w: LoopWorld, name: str = "gpus") -> None:
    spec = {"metadata": {"labels": {"from": "template"}}, "spec": REQUESTS}
    await w.resource(RESOURCE_CLAIM_TEMPLATES).create({"metadata": {"name": name}, "spec": spec}, "default")


async def make_claim(w: LoopWorld, name: str) -> Object:
    return await w.resource(RESOURCE_CLAIMS).create({"metadata": {"name": name}, "spec": REQUESTS}, "default")


async def make_user(w: LoopWorld, name: str, node: str = "", **source: str) -> Object:
    """A pod that uses one claim: `resourceClaimName` or `resourceClaimTemplateName`."""
    made = pod(name, node=node, resourceClaims=[{"name": "gpu", **source}])
    return await w.resource(PODS).create(made, "default")


async def allocate(w: LoopWorld, claim: str, *users: Object, device: str = "gpu-0", **result: Any) -> Object:
    """Play the scheduler: a device is the claim's, and the claim is for these pods."""
    claims = w.resource(RESOURCE_CLAIMS)
    found = await claims.get(claim, "default")
    if FINALIZER not in (found["metadata"].get("finalizers") or ()):
        found["metadata"]["finalizers"] = [FINALIZER]
        found = await claims.update(found)
    given = {"request": "gpu", "driver": DRIVER, "pool": POOL, "device": device, **result}
    consumers = [
        {"resource": "pods", "name": user["metadata"]["name"], "uid": user["metadata"]["uid"]} for user in users
    ]
    found["status"] = {"allocation": {"devices": {"results": [given]}}, "reservedFor": consumers}
    return await claims.update_status(found)


async def publish(w: LoopWorld, *taints: Object, device: str = "gpu-0") -> None:
    """Play the driver: the node's only slice has one device with these taints."""
    spec: Object = {
        "driver": DRIVER,
        "nodeName": "n1",
        "pool": {"name": POOL, "generation": 1, "resourceSliceCount": 1},
        "devices": [{"name": device, "taints": list(taints)}],
    }
    slices = w.resource(RESOURCE_SLICES)
    known = await w.find(RESOURCE_SLICES, "s1", "")
    if known is None:
        await slices.create({"metadata": {"name": "s1"}, "spec": spec})
    else:
        await slices.update({**known, "spec": spec})


async def claims(w: LoopWorld) -> list[Object]:
    return await w.all(RESOURCE_CLAIMS)


async def the_claim(w: LoopWorld, name: str) -> Object:
    return await w.resource(RESOURCE_CLAIMS).get(name, "default")
