"""The binder: claims are bound to volumes, provisioned for by external drivers, lost; volumes are released and reclaimed.

Mirrors upstream pkg/controller/volume/persistentvolume/pv_controller.go. There are no recyclers: what upstream says then.
"""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery import objects, quantity
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.client.informer import Handler
from controllers.framework.claims import BY_CLAIM, class_of, index_by_claim, is_over
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request, itself
from controllers.framework.kinds import NODES, PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS, STORAGE_CLASSES
from controllers.framework.manager import Loop
from controllers.framework.periodic import Periodic
from controllers.framework.together import Together
from controllers.loops.volume_binder import matching
from controllers.loops.volume_binder.host_path import PluginError
from controllers.loops.volume_binder.matching import BIND_COMPLETED, BOUND_BY_CONTROLLER, SELECTED_NODE
from controllers.loops.volume_binder.provisioning import PROVISIONED_BY, Provisioning, due_finalizers
from controllers.loops.volume_binder.store import Newest

NAME = "persistentvolume-binder-controller"
COMPONENT = "persistentvolume-controller"
RESYNC = 15.0  # seconds; upstream --pvclaimbinder-sync-period
MIGRATED_TO = "pv.kubernetes.io/migrated-to"
PRE_RESIZE = "volume.alpha.kubernetes.io/pre-resize-capacity"


class Binder:
    """Requests are claims, and volumes: those are in no namespace."""

    def __init__(self, context: Context) -> None:
        claims, volumes = context.informer(PERSISTENT_VOLUME_CLAIMS), context.informer(PERSISTENT_VOLUMES)
        self.claims = Newest(context.resource(PERSISTENT_VOLUME_CLAIMS), claims.lister, "PersistentVolumeClaim")
        self.volumes = Newest(context.resource(PERSISTENT_VOLUMES), volumes.lister, "PersistentVolume")
        self.classes = context.informer(STORAGE_CLASSES).lister
        pods = context.informer(PODS)
        index_by_claim(pods)
        self.pods = pods.lister
        self.recorder = context.recorder(COMPONENT)
        self.provisioning = Provisioning(context, self.claims, self.volumes, COMPONENT)
        self.again: list[Request] = []  # claims that a volume's look found something to do for

    async def reconcile(self, request: Request) -> None:
        if request.namespace:
            claim = self.claims.get(*request)
            if claim is not None:
                bound = BIND_COMPLETED in objects.annotations_of(claim)
                await (self._bound_claim(claim) if bound else self._unbound_claim(claim))
            return
        volume = self.volumes.get(*request)
        if volume is not None:
            await self._volume(await self._guard(volume))

    # Claims

    async def _unbound_claim(self, claim: Object) -> None:
        name = claim["spec"].get("volumeName")
        if not name:
            await self._search(claim)
            return
        volume = self.volumes.get("", name)
        if volume is None:
            await self._pend(claim)
        elif not volume["spec"].get("claimRef"):
            why = matching.mismatch(volume, claim)
            if not why:
                await self._bind(volume, claim)
                return
            self._warn(claim, "VolumeMismatch", f'Cannot bind to requested volume "{name}": {why}')
            await self._pend(claim)
        elif matching.is_bound_to(volume, claim):
            await self._bind(volume, claim)
        else:
            self._warn(claim, "FailedBinding", f'volume "{name}" already bound to a different claim.')
            await self._pend(claim)

    async def _search(self, claim: Object) -> None:
        """A claim that does not care which volume it gets."""
        storage_class = self.classes.get("", class_of(claim))
        delayed = storage_class is not None and storage_class.get("volumeBindingMode") == "WaitForFirstConsumer"
        volume = matching.find(claim, self.volumes.list(), delayed=delayed)
        if volume is not None:
            await self._bind(volume, claim)
        elif not await self._assign_class(claim):
            if delayed and SELECTED_NODE not in objects.annotations_of(claim):
                self._tell_waiting(claim)
                await self._pend(claim)
            elif class_of(claim):
                await self.provisioning.provision(claim, storage_class)
            else:
                message = "no persistent volumes available for this claim and no storage class is set"
                self.recorder.event(claim, "Normal", "FailedBinding", message)
                await self._pend(claim)

    async def _assign_class(self, claim: Object) -> bool:
        """Give a claim that named no class the default one that came later; was it given one?"""
        if claim["spec"].get("storageClassName") is not None or class_of(claim):
            return False
        default = matching.default_class(self.classes.list())
        if default is None:
            return False
        spec = {**claim["spec"], "storageClassName": default["metadata"]["name"]}
        await self.claims.update({**claim, "spec": spec})
        return True

    def _tell_waiting(self, claim: Object) -> None:
        meta = claim["metadata"]
        users = self.pods.by_index(BY_CLAIM, f"{meta['namespace']}/{meta['name']}")
        names = [p["metadata"]["name"] for p in users if not is_over(p) and not p["spec"].get("nodeName")]
        reason, message = "WaitForFirstConsumer", "waiting for first consumer to be created before binding"
        if names:
            reason = "WaitForPodScheduled"
            message = f"waiting for pod{'s' if len(names) > 1 else ''} {','.join(names)} to be scheduled"
        self.recorder.event(claim, "Normal", reason, message)

    async def _bound_claim(self, claim: Object) -> None:
        name = claim["spec"].get("volumeName")
        volume = self.volumes.get("", name) if name else None
        if volume is None:
            lost = "its" if name else "reference to"
            message = f"Bound claim has lost {lost} PersistentVolume. Data on the volume is lost!"
            await self._lose(claim, "ClaimLost", message)
            return
        reference = volume["spec"].get("claimRef")
        if not reference or reference.get("uid") == claim["metadata"]["uid"]:
            await self._bind(volume, claim)
            return
        message = "Two claims are bound to the same volume, this one is bound incorrectly"
        await self._lose(claim, "ClaimMisbound", message)

    async def _lose(self, claim: Object, reason: str, message: str) -> None:
        if (claim.get("status") or {}).get("phase") == "Lost":
            return
        claim = await self._claim_status(claim, "Lost", None)
        self._warn(claim, reason, message)

    async def _pend(self, claim: Object) -> None:
        await self._claim_status(claim, "Pending", None)

    async def _claim_status(self, claim: Object, phase: str, volume: Object | None) -> Object:
        before = claim.get("status") or {}
        if volume is None:
            gone: dict[str, Any] = dict.fromkeys(("accessModes", "capacity", "currentVolumeAttributesClassName"))
            return await self.claims.update_status(claim, **gone, phase=phase)
        changes: dict[str, Any] = {"phase": phase, "accessModes": volume["spec"].get("accessModes")}
        if before.get("phase") != phase:  # later it is the driver's: a file system may be smaller than its volume
            changes["capacity"] = _claim_capacity(before, volume)
            if before.get("phase") == "Pending" and matching.attributes_class(volume):
                changes["currentVolumeAttributesClassName"] = matching.attributes_class(volume)
        return await self.claims.update_status(claim, **changes)

    # Binding: the volume first, then its status, then the claim, then its status

    async def _bind(self, volume: Object, claim: Object) -> None:
        volume = await self._bind_volume(volume, claim)
        volume = await self._phase(volume, "Bound")
        claim = await self._bind_claim(claim, volume)
        await self._claim_status(claim, "Bound", volume)

    async def _bind_volume(self, volume: Object, claim: Object) -> Object:
        meta, reference = claim["metadata"], volume["spec"].get("claimRef") or {}
        changed: Object = objects.copy(volume)
        if not matching.is_bound_to(volume, claim):
            changed["metadata"].setdefault("annotations", {}).setdefault(BOUND_BY_CONTROLLER, "yes")
        wanted = {"namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]}
        if {k: reference.get(k) for k in wanted} != wanted:
            more = {
                "kind": "PersistentVolumeClaim",
                "apiVersion": "v1",
                "resourceVersion": meta["resourceVersion"],
            }
            changed["spec"]["claimRef"] = wanted | more
        return volume if changed == volume else await self.volumes.update(changed)

    async def _bind_claim(self, claim: Object, volume: Object) -> Object:
        changed: Object = objects.copy(claim)
        annotations = changed["metadata"].setdefault("annotations", {})
        if claim["spec"].get("volumeName") != volume["metadata"]["name"]:
            changed["spec"]["volumeName"] = volume["metadata"]["name"]
            annotations.setdefault(BOUND_BY_CONTROLLER, "yes")
        annotations.setdefault(BIND_COMPLETED, "yes")
        return claim if changed == claim else await self.claims.update(changed)

    async def _unbind(self, volume: Object) -> None:
        """Take back a binding: the whole of it where it was ours, else only which claim it was."""
        changed: Object = objects.copy(volume)
        annotations = changed["metadata"].get("annotations") or {}
        if annotations.pop(BOUND_BY_CONTROLLER, None) is not None:
            del changed["spec"]["claimRef"]
        else:
            changed["spec"]["claimRef"].pop("uid", None)
        await self._phase(await self.volumes.update(changed), "Available")

    # Volumes

    async def _guard(self, volume: Object) -> Object:
        """The volume with the finalizers that are due."""
        due = due_finalizers(volume)
        if due == (volume["metadata"].get("finalizers") or []):
            return volume
        return await self.volumes.update({**volume, "metadata": {**volume["metadata"], "finalizers": due}})

    async def _volume(self, volume: Object) -> None:
        reference = volume["spec"].get("claimRef")
        if not reference or not reference.get("uid"):
            await self._phase(volume, "Available")
            return
        claim = await self._claim_of(volume, reference)
        if claim is None:
            await self._release(volume)
        elif not claim["spec"].get("volumeName"):
            self._check_mode(volume, claim)
        elif claim["spec"]["volumeName"] == volume["metadata"]["name"]:
            await self._phase(volume, "Bound")
        elif PROVISIONED_BY in objects.annotations_of(volume) and _policy(volume) == "Delete":
            await self._release(volume)  # made for a claim that took another
        else:
            await self._unbind(volume)

    async def _claim_of(self, volume: Object, reference: dict[str, Any]) -> Object | None:
        """The claim a volume is bound to; the server is asked before it is thought gone."""
        key = (reference["namespace"], reference["name"])
        claim = self.claims.get(*key)
        settled = (volume.get("status") or {}).get("phase") in ("Released", "Failed")
        if (claim is None and not settled) or (claim is not None and claim["metadata"]["uid"] != reference["uid"]):
            try:
                claim = await self.claims.client.get(key[1], key[0])
            except StatusError as error:
                if error.code != 404:
                    raise
                claim = None
        return claim if claim is not None and claim["metadata"]["uid"] == reference["uid"] else None

    def _check_mode(self, volume: Object, claim: Object) -> None:
        if matching.mode(volume) == matching.mode(claim):
            self.again.append(Request(claim["metadata"]["namespace"], claim["metadata"]["name"]))
            return
        because = "due to incompatible volumeMode."
        of_volume, of_claim = volume["metadata"]["name"], claim["metadata"]["name"]
        message = f'Cannot bind PersistentVolume to requested PersistentVolumeClaim "{of_claim}" {because}'
        self._warn(volume, "VolumeMismatch", message)
        message = f'Cannot bind PersistentVolume "{of_volume}" to requested PersistentVolumeClaim {because}'
        self._warn(claim, "VolumeMismatch", message)

    async def _release(self, volume: Object) -> None:
        if (volume.get("status") or {}).get("phase") not in ("Released", "Failed"):
            volume = await self._phase(volume, "Released")
        if MIGRATED_TO in objects.annotations_of(volume):
            return
        policy = _policy(volume)
        if policy == "Delete":
            await self._delete(volume)
        elif policy == "Recycle":
            await self._fail(volume, "VolumeFailedRecycle", "No recycler plugin found for the volume!")
        elif policy != "Retain":
            message = "Volume has unrecognized PersistentVolumeReclaimPolicy"
            await self._fail(volume, "VolumeUnknownReclaimPolicy", message)

    async def _delete(self, volume: Object) -> None:
        try:
            await self.provisioning.delete(volume)
        except PluginError as error:
            await self._fail(volume, "VolumeFailedDelete", str(error))

    async def _fail(self, volume: Object, reason: str, message: str) -> None:
        if (volume.get("status") or {}).get("phase") == "Failed":
            return
        volume = await self._phase(volume, "Failed", message)
        self._warn(volume, reason, message)

    async def _phase(self, volume: Object, phase: str, message: str = "") -> Object:
        if (volume.get("status") or {}).get("phase") == phase:
            return volume
        return await self.volumes.update_status(volume, phase=phase, message=message or None)

    def _warn(self, obj: Object, reason: str, message: str) -> None:
        self.recorder.event(obj, "Warning", reason, message)


def _policy(volume: Object) -> str:
    return volume["spec"].get("persistentVolumeReclaimPolicy") or "Retain"


def _claim_capacity(before: dict[str, Any], volume: Object) -> dict[str, str]:
    """What a claim that becomes bound says it has."""
    current = before.get("capacity") or {}
    pre_resize = objects.annotations_of(volume).get(PRE_RESIZE)
    if pre_resize:
        return {**current, "storage": pre_resize}
    provided: dict[str, str] = objects.copy(volume["spec"].get("capacity") or {})
    known = current.get("storage")
    if known and quantity.parse(known) == matching.capacity(volume):
        return dict(current)
    return provided


class BinderLoop(Together):
    """The queue, and the look at everything every 15 seconds that claims without a volume wait for."""

    def __init__(self, context: Context) -> None:
        self.binder = Binder(context)
        self._controller = Controller(f"{NAME}-queue", self)
        self._informers = [context.informer(r) for r in (PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES)]
        queue = self._controller.queue
        for informer in self._informers:
            self._controller.watch(informer)
        claims, volumes = self._informers

        def claim_gone(claim: Object) -> None:
            if claim["spec"].get("volumeName"):
                queue.add(Request("", claim["spec"]["volumeName"]))

        def volume_gone(volume: Object) -> None:
            reference = volume["spec"].get("claimRef")
            if reference:
                queue.add(Request(reference["namespace"], reference["name"]))

        claims.add_handler(Handler(deleted=claim_gone))
        volumes.add_handler(Handler(deleted=volume_gone))
        for resource in (STORAGE_CLASSES, PODS, NODES):
            self._controller.needs(context.informer(resource))
        resync = Periodic(f"{NAME}-resync", self._look, RESYNC, needs=self._informers)
        super().__init__(NAME, self._controller, resync)

    async def reconcile(self, request: Request) -> None:
        await self.binder.reconcile(request)
        for claim in self.binder.again:
            self._controller.queue.add(claim)
        self.binder.again.clear()

    async def _look(self) -> None:
        for informer in self._informers:
            for obj in informer.lister.list():
                for request in itself(obj):
                    self._controller.queue.add(request)


def build(context: Context) -> Loop:
    return BinderLoop(context)
