"""A pod's ephemeral volumes have their claims, which go with the pod (upstream pkg/controller/volume/ephemeral)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apiserver.apimachinery import objects
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from controllers.framework.claims import BY_CLAIM, ephemeral_claim, index_by_claim, made_for
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request, Retry
from controllers.framework.kinds import PERSISTENT_VOLUME_CLAIMS, PODS
from controllers.framework.manager import Loop
from controllers.framework.ownership import controller_reference

NAME = "ephemeral-volume-controller"
COMPONENT = "ephemeral_volume"
WORKERS = 5


def claim_for(pod: Object, volume: Object) -> Object:
    """The claim of an ephemeral volume, after its template, owned by the pod."""
    template = volume["ephemeral"]["volumeClaimTemplate"]
    meta: dict[str, Any] = {
        "name": ephemeral_claim(pod, volume),
        "ownerReferences": [controller_reference(pod, "v1", "Pod")],
    }
    for key in ("annotations", "labels"):
        if (template.get("metadata") or {}).get(key):
            meta[key] = objects.copy(template["metadata"][key])
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": meta,
        "spec": objects.copy(template["spec"]),
    }


class EphemeralVolumes:
    """Requests are pods."""

    def __init__(self, context: Context) -> None:
        self.claims = context.resource(PERSISTENT_VOLUME_CLAIMS)
        self.known = context.informer(PERSISTENT_VOLUME_CLAIMS).lister
        pods = context.informer(PODS)
        index_by_claim(pods)
        self.pods = pods.lister
        self.recorder = context.recorder(COMPONENT)

    async def reconcile(self, request: Request) -> None:
        pod = self.pods.get(*request)
        if pod is None or pod["metadata"].get("deletionTimestamp"):
            return
        for volume in pod["spec"].get("volumes") or ():
            if volume.get("ephemeral"):
                await self._provide(request, pod, volume)

    async def _provide(self, request: Request, pod: Object, volume: Object) -> None:
        name = ephemeral_claim(pod, volume)
        claim = self.known.get(request.namespace, name)
        if claim is not None and made_for(pod, claim):
            return
        try:
            if claim is not None:
                raise Retry(f"PVC {request.namespace}/{name} was not created for pod {request} (pod is not owner)")
            await self.claims.create(claim_for(pod, volume), request.namespace)
        except (StatusError, Retry) as error:
            why = f"create PVC {name}: {error.message}" if isinstance(error, StatusError) else str(error)
            about = {**pod, "apiVersion": "v1", "kind": "Pod"}
            self.recorder.event(about, "Warning", "FailedBinding", f"ephemeral volume {volume['name']}: {why}")
            raise

    def pods_of(self, claim: Object) -> Iterable[Request]:
        """The pods that want a claim back."""
        meta = claim["metadata"]
        for pod in self.pods.by_index(BY_CLAIM, f"{meta['namespace']}/{meta['name']}"):
            if has_ephemeral(None, pod):
                yield Request(pod["metadata"]["namespace"], pod["metadata"]["name"])


def has_ephemeral(old: Object | None, pod: Object) -> bool:
    """Is there something to do for a pod that came? What its spec says does not change."""
    if old is not None or pod["metadata"].get("deletionTimestamp"):
        return False
    return any(volume.get("ephemeral") for volume in pod["spec"].get("volumes") or ())


def build(context: Context) -> Loop:
    reconciler = EphemeralVolumes(context)
    controller = Controller(NAME, reconciler, workers=WORKERS)
    controller.watch(context.informer(PODS), when=has_ephemeral)
    controller.watch(context.informer(PERSISTENT_VOLUME_CLAIMS), reconciler.pods_of, when=lambda old, new: False)
    return controller
