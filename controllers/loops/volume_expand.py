"""A claim that wants more than its volume has waits for its driver's resizer, and an event says so.

Mirrors upstream pkg/controller/volume/expand for volumes that no in-tree plugin can expand: those are all there are here.
"""

from __future__ import annotations

from apiserver.apimachinery import objects, quantity
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.quantity import Quantity
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request, Retry
from controllers.framework.kinds import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES
from controllers.framework.manager import Loop

WORKERS = 10
COMPONENT = "volume_expand"
PRE_RESIZE = "volume.alpha.kubernetes.io/pre-resize-capacity"
NOTHING = quantity.of(0)


def requested(claim: Object) -> Quantity:
    text = objects.get(claim, "spec", "resources", "requests", "storage")
    return quantity.parse(text) if text else NOTHING


def provided(claim: Object) -> Quantity:
    text = objects.get(claim, "status", "capacity", "storage")
    return quantity.parse(text) if text else NOTHING


def grew(old: Object | None, new: Object) -> bool:
    """Was more asked for or given than before, on a claim that is bound?"""
    if (new.get("status") or {}).get("phase") != "Bound":
        return False
    return old is None or requested(old) < requested(new) or provided(old) < provided(new)


class Expander:
    """Requests are claims."""

    def __init__(self, context: Context) -> None:
        self.volumes = context.resource(PERSISTENT_VOLUMES)
        self.known = context.informer(PERSISTENT_VOLUME_CLAIMS).lister
        self.recorder = context.recorder(COMPONENT)

    async def reconcile(self, request: Request) -> None:
        claim = self.known.get(*request)
        if claim is None or not claim["spec"].get("volumeName"):
            return
        volume = await self.volumes.get(claim["spec"]["volumeName"])
        bound_to = volume["spec"].get("claimRef") or {}
        if bound_to.get("uid") != claim["metadata"]["uid"]:
            raise Retry(f"persistent Volume is not bound to PVC being updated : {request}")
        if not provided(claim) < requested(claim) and PRE_RESIZE not in objects.annotations_of(volume):
            return
        about = {**claim, "apiVersion": "v1", "kind": "PersistentVolumeClaim"}
        message = "waiting for an external controller to expand this PVC"
        self.recorder.event(about, "Normal", "ExternalExpanding", message)


def build(context: Context) -> Loop:
    controller = Controller("persistentvolume-expander-controller", Expander(context), workers=WORKERS)
    controller.watch(context.informer(PERSISTENT_VOLUME_CLAIMS), when=grew)
    return controller
