"""Claims: reservations of pods that are over are dropped, then the allocation, then the finalizer, then claims made for them."""

from __future__ import annotations

from apiserver.apimachinery import objects
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object, controller_of
from controllers.framework import devices
from controllers.framework import pods as pod_facts
from controllers.framework.context import Context
from controllers.framework.controller import Request
from controllers.framework.kinds import PODS, RESOURCE_CLAIMS

FINALIZER = "resource.kubernetes.io/delete-protection"
MAX_GONE = 500  # pods remembered to be gone; others are asked for


def is_done(pod: Object) -> bool:
    """Is it certain that nothing of the pod runs, nor ever will?"""
    if pod_facts.phase(pod) in ("Succeeded", "Failed"):
        return True
    return bool(pod["metadata"].get("deletionTimestamp")) and not pod["spec"].get("nodeName")


class Claims:
    """Requests are claims."""

    def __init__(self, context: Context) -> None:
        self.claims, self.known = context.resource(RESOURCE_CLAIMS), context.informer(RESOURCE_CLAIMS).lister
        self.pods, self.known_pods = context.resource(PODS), context.informer(PODS).lister
        self._gone: dict[str, None] = {}  # uids, the oldest first

    def gone(self, pod: Object) -> None:
        """Remember that a pod was there and was deleted."""
        self._gone[pod["metadata"]["uid"]] = None
        if len(self._gone) > MAX_GONE:
            del self._gone[next(iter(self._gone))]

    async def reconcile(self, request: Request) -> None:
        claim = self.known.get(*request)
        if claim is None:
            return
        remaining = [c for c in devices.consumers(claim) if not devices.is_pod(c) or await self._stays(request, c)]
        meta = claim["metadata"]
        protected = FINALIZER in (meta.get("finalizers") or ())
        if len(remaining) < len(devices.consumers(claim)):
            await self._drop(claim, remaining, deallocate=protected and not remaining)
        elif protected and meta.get("deletionTimestamp") and not remaining:
            await self._let_go(claim)
        if not remaining:
            await self._delete_unused(claim)

    async def _stays(self, request: Request, consumer: Object) -> bool:
        """A pod that is not known is asked for: the scheduler may be faster than our informer."""
        if consumer["uid"] in self._gone:
            return False
        pod = self.known_pods.get(request.namespace, consumer["name"])
        if pod is not None:
            return bool(pod["metadata"]["uid"] == consumer["uid"]) and not is_done(pod)
        try:
            pod = await self.pods.get(consumer["name"], request.namespace)
        except StatusError as error:
            if error.reason != "NotFound":
                raise
            return False
        return bool(pod["metadata"]["uid"] == consumer["uid"])

    async def _drop(self, claim: Object, remaining: list[Object], *, deallocate: bool) -> None:
        """With the last consumer goes the allocation: the next one may be somewhere else."""
        changed = objects.copy(claim)
        changed["status"]["reservedFor"] = remaining
        if deallocate:
            changed["status"].pop("allocation", None)
        written = await self.claims.update_status(changed)
        if devices.allocation(written) is None:
            await self._unprotect(written)

    async def _let_go(self, claim: Object) -> None:
        """A claim that is being deleted and that nobody uses."""
        if devices.allocation(claim) is not None:
            changed = objects.copy(claim)
            changed["status"].pop("allocation")
            claim = await self.claims.update_status(changed)
        await self._unprotect(claim)

    async def _unprotect(self, claim: Object) -> None:
        finalizers = claim["metadata"].get("finalizers") or []
        if FINALIZER in finalizers:
            changed = objects.copy(claim)
            changed["metadata"]["finalizers"] = [each for each in finalizers if each != FINALIZER]
            await self.claims.update(changed)

    async def _delete_unused(self, claim: Object) -> None:
        """One made for a pod that will not run; that the pod is gone altogether is the garbage collector's business."""
        owner = controller_of(claim)
        if owner is None or (owner["apiVersion"], owner["kind"]) != ("v1", "Pod"):
            return
        meta = claim["metadata"]
        pod = self.known_pods.get(meta["namespace"], owner["name"])
        if pod is not None and (pod["metadata"]["uid"] != owner["uid"] or is_done(pod)):
            await self.claims.delete(meta["name"], meta["namespace"])
