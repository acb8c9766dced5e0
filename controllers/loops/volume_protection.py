"""What is in use is not deleted: claims that pods use, volumes that are bound, attribute classes that are referred to.

Mirrors upstream pkg/controller/volume/{pvcprotection,pvprotection,vacprotection}: a finalizer on each, taken off when the
object is being deleted and nobody uses it. Claims also say whether any pod uses them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.objects import Object
from apiserver.client.informer import Handler
from controllers.framework import pods as pod_facts
from controllers.framework.claims import BY_CLAIM, claim_requests, ephemeral_claim, index_by_claim, is_over, made_for
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request
from controllers.framework.kinds import (
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    VOLUME_ATTRIBUTES_CLASSES,
)
from controllers.framework.manager import Loop

CLAIM_FINALIZER = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER = "kubernetes.io/pv-protection"
CLASS_FINALIZER = "kubernetes.io/vac-protection"
UNUSED = "Unused"


def finalizers(obj: Object) -> list[str]:
    return obj["metadata"].get("finalizers") or []


def needs_finalizer(obj: Object, finalizer: str) -> bool:
    return not obj["metadata"].get("deletionTimestamp") and finalizer not in finalizers(obj)


def may_go(obj: Object, finalizer: str) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp")) and finalizer in finalizers(obj)


class Protection:
    """One kind of object with its finalizer."""

    def __init__(self, context: Context, resource: GroupVersionResource, finalizer: str) -> None:
        self.objects = context.resource(resource)
        self.known = context.informer(resource).lister
        self.finalizer = finalizer

    async def reconcile(self, request: Request) -> None:
        obj = self.known.get(*request)
        if obj is None:
            return
        if may_go(obj, self.finalizer):
            if not await self.is_used(obj):
                await self._write(obj, [f for f in finalizers(obj) if f != self.finalizer])
        elif needs_finalizer(obj, self.finalizer):
            await self._write(obj, [*finalizers(obj), self.finalizer])

    async def _write(self, obj: Object, wanted: list[str]) -> None:
        changed = objects.copy(obj)
        changed["metadata"]["finalizers"] = wanted
        await self.objects.update(changed)

    def concerns(self, old: Object | None, new: Object) -> bool:
        return needs_finalizer(new, self.finalizer) or may_go(new, self.finalizer)

    async def is_used(self, obj: Object) -> bool:
        raise NotImplementedError


class Volumes(Protection):
    """Volumes that are bound stay."""

    async def is_used(self, obj: Object) -> bool:
        return (obj.get("status") or {}).get("phase") == "Bound"


class AttributeClasses(Protection):
    """Volume attribute classes stay while a volume or claim has, had or wants them."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, VOLUME_ATTRIBUTES_CLASSES, CLASS_FINALIZER)
        claims, volumes = context.informer(PERSISTENT_VOLUME_CLAIMS), context.informer(PERSISTENT_VOLUMES)
        for informer in (claims, volumes):
            informer.add_index("attributes-class", classes_of)
        self.referring = (claims.lister, volumes.lister)

    async def is_used(self, obj: Object) -> bool:
        return any(lister.by_index("attributes-class", obj["metadata"]["name"]) for lister in self.referring)


def classes_of(obj: Object) -> Iterable[str]:
    """The attribute classes a claim or a volume refers to."""
    status = obj.get("status") or {}
    target = (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName")
    named = (obj["spec"].get("volumeAttributesClassName"), status.get("currentVolumeAttributesClassName"), target)
    return dict.fromkeys(name for name in named if name)


def holds(pod: Object, claim: Object) -> bool:
    """Does a pod keep a claim from going? Only one that a kubelet may have started."""
    if not pod["spec"].get("nodeName"):
        return False
    name, meta = claim["metadata"]["name"], pod["metadata"]
    # Deleted without grace: the kubelet is done with it. It may wait for its claim, which must not wait for it.
    shut_down = bool(meta.get("deletionTimestamp")) and meta.get("deletionGracePeriodSeconds") == 0
    return any(_names(pod, volume, claim, name, ephemeral=not shut_down) for volume in pod["spec"].get("volumes") or ())


def refers_to(pod: Object, claim: Object) -> bool:
    """Does a pod that is not over name the claim?"""
    name = claim["metadata"]["name"]
    volumes = pod["spec"].get("volumes") or ()
    return not is_over(pod) and any(_names(pod, volume, claim, name, ephemeral=True) for volume in volumes)


def _names(pod: Object, volume: Object, claim: Object, name: str, *, ephemeral: bool) -> bool:
    if volume.get("persistentVolumeClaim"):
        return bool(volume["persistentVolumeClaim"]["claimName"] == name)
    return bool(volume.get("ephemeral")) and ephemeral and ephemeral_claim(pod, volume) == name and made_for(pod, claim)


class Claims(Protection):
    """Claims stay while pods use them."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, PERSISTENT_VOLUME_CLAIMS, CLAIM_FINALIZER)
        self.clock = context.clock
        self.pods = context.resource(PODS)
        informer = context.informer(PODS)
        index_by_claim(informer)
        self.known_pods = informer.lister

    async def reconcile(self, request: Request) -> None:
        claim = self.known.get(*request)
        if claim is None:
            return
        # Only when it is bound: before that the binder writes its status.
        if not claim["metadata"].get("deletionTimestamp") and (claim.get("status") or {}).get("phase") == "Bound":
            used = any(refers_to(pod, claim) for pod in self._users(claim)) or await self._live(claim, refers_to)
            if await self._tell(claim, used):
                return  # the change that is on its way brings us back
        await super().reconcile(request)

    async def is_used(self, obj: Object) -> bool:
        return any(holds(pod, obj) for pod in self._users(obj)) or await self._live(obj, holds)

    def _users(self, claim: Object) -> Iterable[Object]:
        meta = claim["metadata"]
        return self.known_pods.by_index(BY_CLAIM, f"{meta['namespace']}/{meta['name']}")

    async def _live(self, claim: Object, judge: Callable[[Object, Object], bool]) -> bool:
        """Ask the server: a pod may be there that the informer has not shown yet."""
        found = await self.pods.list(claim["metadata"]["namespace"])
        return any(judge(pod, claim) for pod in found.get("items") or ())

    async def _tell(self, claim: Object, used: bool) -> bool:
        """Write the Unused condition where it says something else; was anything written?"""
        current = pod_facts.condition(claim, UNUSED)
        wanted = "False" if used else "True"
        if current is not None and (current["status"] == "True") == (not used):
            return False
        changed = objects.copy(claim)
        reason = "PodUsingPVC" if used else "NoPodsUsingPVC"
        message = "A pod is currently referencing this PVC" if used else "No pods are currently referencing this PVC"
        condition = {"type": UNUSED, "status": wanted, "reason": reason, "message": message}
        condition["lastTransitionTime"] = rfc3339(self.clock.now())
        others = [c for c in changed["status"].get("conditions") or () if c["type"] != UNUSED]
        changed["status"]["conditions"] = [*others, condition]
        await self.objects.update_status(changed)
        return True

    def concerns(self, old: Object | None, new: Object) -> bool:
        return pod_facts.condition(new, UNUSED) is None or super().concerns(old, new)


def build_claims(context: Context) -> Loop:
    reconciler = Claims(context)
    controller = Controller("persistentvolumeclaim-protection-controller", reconciler)
    controller.watch(context.informer(PERSISTENT_VOLUME_CLAIMS), when=reconciler.concerns)

    def changed(old: Object | None, new: Object) -> bool:
        return old is None or is_over(old) != is_over(new) or old["spec"].get("nodeName") != new["spec"].get("nodeName")

    controller.watch(context.informer(PODS), claim_requests, when=changed)
    return controller


def build_volumes(context: Context) -> Loop:
    reconciler = Volumes(context, PERSISTENT_VOLUMES, VOLUME_FINALIZER)
    controller = Controller("persistentvolume-protection-controller", reconciler)
    controller.watch(context.informer(PERSISTENT_VOLUMES), when=reconciler.concerns)
    return controller


def build_classes(context: Context) -> Loop:
    reconciler = AttributeClasses(context)
    controller = Controller("volumeattributesclass-protection-controller", reconciler)
    controller.watch(context.informer(VOLUME_ATTRIBUTES_CLASSES), when=reconciler.concerns)

    def released(*names: str) -> None:
        for name in names:
            controller.queue.add(Request("", name))

    handler = Handler(
        updated=lambda old, new: released(*(name for name in classes_of(old) if name not in classes_of(new))),
        deleted=lambda old: released(*classes_of(old)),
    )
    for resource in (PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES):
        informer = context.informer(resource)
        informer.add_handler(handler)
        controller.needs(informer)
    return controller
