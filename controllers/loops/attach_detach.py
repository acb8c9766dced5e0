"""Volumes of CSI drivers are attached to the nodes whose pods use them, and detached when none does.

Mirrors upstream pkg/controller/volume/attachdetach for CSI, the only plugin that attaches here: a VolumeAttachment is the
wish, the driver's attacher fulfils it, and the node's `status.volumesAttached` tells its kubelet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from apiserver.apimachinery import objects
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.client.informer import Handler
from apiserver.client.resources import STRATEGIC_PATCH
from controllers.framework import nodes as node_facts
from controllers.framework import pods as pod_facts
from controllers.framework.claims import BY_CLAIM, claim_requests, index_by_claim, is_over
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request, Result
from controllers.framework.kinds import (
    CSI_DRIVERS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    VOLUME_ATTACHMENTS,
)
from controllers.framework.manager import Loop

NAME = "persistentvolume-attach-detach-controller"
COMPONENT = "attachdetach-controller"
WORKERS = 4
MANAGED = "volumes.kubernetes.io/controller-managed-attach-detach"
UNMOUNT_PATIENCE = (
    360.0  # seconds an unhealthy node's kubelet is given to unmount; upstream ReconcilerMaxWaitForUnmountDuration
)
ATTACH_PATIENCE = 120.0  # seconds a driver is waited for, before pods are told and it is waited for again
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 122.0  # seconds between two waits; doubles (upstream goroutinemap/exponentialbackoff)
SHARED = {"ReadWriteMany", "ReadOnlyMany"}
MULTI_ATTACH = (
    'Multi-Attach error for volume "{}" '
    "Volume is already exclusively attached to one node and can't be attached to another"
)


def unique_name(volume: Object) -> str:
    """How nodes call a volume."""
    csi = volume["spec"]["csi"]
    return f"kubernetes.io/csi/{csi['driver']}^{csi['volumeHandle']}"


def attachment_name(volume: Object, node: str) -> str:
    csi = volume["spec"]["csi"]
    return "csi-" + hashlib.sha256(f"{csi['volumeHandle']}{csi['driver']}{node}".encode()).hexdigest()


def volume_of(attachment: Object) -> str:
    return attachment["spec"]["source"].get("persistentVolumeName") or ""


def is_attached(attachment: Object) -> bool:
    return bool((attachment.get("status") or {}).get("attached"))


class Plan(NamedTuple):
    """Nodes to attach a volume to, attachments to end, and nodes that cannot have it yet: it is another's."""

    attach: list[str]
    detach: list[Object]
    refused: list[str]


def plan(volume: Object, wanted: Iterable[str], attachments: Sequence[Object]) -> Plan:
    nodes = dict.fromkeys(wanted)
    there = {attachment["spec"]["nodeName"]: attachment for attachment in attachments}
    missing = [node for node in nodes if node not in there]
    detach = [a for node, a in there.items() if node not in nodes and not a["metadata"].get("deletionTimestamp")]
    if not SHARED & set(volume["spec"].get("accessModes") or ()):
        room = 0 if there else 1
        return Plan(missing[:room], detach, missing[room:])
    return Plan(missing, detach, [])


class Waiting(NamedTuple):
    """For a driver that does not answer: until when now, and how long the pause before that was."""

    due: float
    pause: float = 0.0

    def again(self, now: float) -> Waiting:
        pause = min(2 * self.pause or FIRST_PAUSE, LONGEST_PAUSE)
        return Waiting(now + pause + ATTACH_PATIENCE, pause)


class AttachDetach:
    """Requests are volumes."""

    def __init__(self, context: Context) -> None:
        self.clock = context.clock
        self.nodes, self.attachments = context.resource(NODES), context.resource(VOLUME_ATTACHMENTS)
        pods, known = context.informer(PODS), context.informer(VOLUME_ATTACHMENTS)
        index_by_claim(pods)
        known.add_index("volume", lambda a: (volume_of(a),))
        known.add_index("node", lambda a: (a["spec"]["nodeName"],))
        self.pods, self.known = pods.lister, known.lister
        self.known_nodes = context.informer(NODES).lister
        self.volumes = context.informer(PERSISTENT_VOLUMES).lister
        self.claims = context.informer(PERSISTENT_VOLUME_CLAIMS).lister
        self.drivers = context.informer(CSI_DRIVERS).lister
        self.recorder = context.recorder(COMPONENT)
        self.detaching: dict[str, float] = {}  # attachment → since when it is not wanted
        self.waiting: dict[str, Waiting] = {}  # attachment → for its driver
        self.told: dict[str, dict[str, None]] = {}  # volume → nodes whose pods were told that it is another's

    async def reconcile(self, request: Request) -> Result | None:
        volume = self.volumes.get("", request.name)
        if volume is None or not self._attachable(volume):
            return None
        users = self._users(volume)
        attachments = self.known.by_index("volume", request.name)
        wanted = plan(volume, users, attachments)
        waits = [await self._detach(volume, attachment) for attachment in wanted.detach]
        for node in wanted.attach:
            await self._attach(volume, node)
        self._tell_refused(volume, users, wanted.refused)
        for attachment in attachments:
            if attachment["spec"]["nodeName"] in users:
                self.detaching.pop(attachment["metadata"]["name"], None)
                pods = users[attachment["spec"]["nodeName"]]
                waits.append(self._wait_for_driver(volume, attachment, pods))
                await self._tell_node(volume, attachment, pods)
        left = [wait for wait in waits if wait]
        return Result(after=min(left)) if left else None

    def _attachable(self, volume: Object) -> bool:
        driver = (volume["spec"].get("csi") or {}).get("driver")
        if not driver:
            return False
        declared = self.drivers.get("", driver)
        return declared is None or declared["spec"].get("attachRequired", True)

    def _users(self, volume: Object) -> dict[str, list[Object]]:
        """Nodes whose pods use a volume, with those pods."""
        reference = volume["spec"].get("claimRef") or {}
        claim = self.claims.get(reference.get("namespace", ""), reference.get("name", ""))
        if claim is None or claim["spec"].get("volumeName") != volume["metadata"]["name"]:
            return {}
        users: dict[str, list[Object]] = {}
        for pod in self.pods.by_index(BY_CLAIM, f"{reference['namespace']}/{reference['name']}"):
            node = self.known_nodes.get("", pod["spec"].get("nodeName", ""))
            if node is not None and not is_over(pod) and objects.annotations_of(node).get(MANAGED) == "true":
                users.setdefault(node["metadata"]["name"], []).append(pod)
        return users

    async def _attach(self, volume: Object, node: str) -> None:
        wanted = {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "VolumeAttachment",
            "metadata": {"name": attachment_name(volume, node)},
            "spec": {
                "attacher": volume["spec"]["csi"]["driver"],
                "nodeName": node,
                "source": {"persistentVolumeName": volume["metadata"]["name"]},
            },
        }
        try:
            await self.attachments.create(wanted)
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise

    async def _detach(self, volume: Object, attachment: Object) -> float | None:
        """End an attachment when its node has unmounted; else how long to wait before it is done anyway."""
        name, node_name = attachment["metadata"]["name"], attachment["spec"]["nodeName"]
        since = self.detaching.setdefault(name, self.clock.now())
        node = self.known_nodes.get("", node_name)
        if node is not None:
            mounted = unique_name(volume) in ((node.get("status") or {}).get("volumesInUse") or ())
            left = since + UNMOUNT_PATIENCE - self.clock.now()
            forced = node_facts.has_taint(node, node_facts.OUT_OF_SERVICE) or (
                left <= 0 and not pod_facts.is_ready(node)
            )
            if mounted and not forced:
                return max(left, 1.0)
            await self._write_node(node_name, without=name)
        try:
            await self.attachments.delete(name)
        except StatusError as error:
            if error.code != 404:
                raise
        self.detaching.pop(name, None)
        return None

    def _wait_for_driver(self, volume: Object, attachment: Object, pods: Sequence[Object]) -> float | None:
        """Seconds until pods are to be told (again) that nothing happens to an attachment; None when something did."""
        name, now = attachment["metadata"]["name"], self.clock.now()
        if is_attached(attachment) or (attachment.get("status") or {}).get("attachError"):
            self.waiting.pop(name, None)
            return None
        waiting = self.waiting.get(name) or Waiting(now + ATTACH_PATIENCE)
        if now >= waiting.due:
            csi = volume["spec"]["csi"]
            why = (
                f"timed out waiting for external-attacher of {csi['driver']} CSI driver to attach volume "
                f"{csi['volumeHandle']}"
            )
            message = f'AttachVolume.Attach failed for volume "{volume["metadata"]["name"]}" : {why}'
            self._tell_pods(pods, "Warning", "FailedAttachVolume", message)
            waiting = waiting.again(now)
        self.waiting[name] = waiting
        return waiting.due - now

    async def _tell_node(self, volume: Object, attachment: Object, pods: Sequence[Object]) -> None:
        """Say of an attachment what became of it: on the node, and to the pods that wait for it."""
        failure = ((attachment.get("status") or {}).get("attachError") or {}).get("message")
        name, node_name = volume["metadata"]["name"], attachment["spec"]["nodeName"]
        if not is_attached(attachment):
            if failure:
                message = f'AttachVolume.Attach failed for volume "{name}" : {failure}'
                self._tell_pods(pods, "Warning", "FailedAttachVolume", message)
            return
        if await self._write_node(node_name):
            message = f'AttachVolume.Attach succeeded for volume "{name}" '
            self._tell_pods(pods, "Normal", "SuccessfulAttachVolume", message)

    async def _write_node(self, name: str, without: str = "") -> bool:
        """Have the node say what is attached to it, the attachment `without` left out; was anything new?"""
        try:
            node = await self.nodes.get(name)
        except StatusError as error:
            if error.code == 404:
                return False
            raise
        attached = []
        for attachment in self.known.by_index("node", name):
            volume = self.volumes.get("", volume_of(attachment))
            meta = attachment["metadata"]
            if (
                volume is None
                or meta["name"] == without
                or meta.get("deletionTimestamp")
                or not is_attached(attachment)
            ):
                continue
            if volume["spec"].get("csi"):
                attached.append({"name": unique_name(volume), "devicePath": ""})
        attached.sort(key=lambda one: one["name"])
        before = (node.get("status") or {}).get("volumesAttached") or []
        if sorted(one["name"] for one in before) == [one["name"] for one in attached]:
            return False
        # The revision makes it a conflict when the kubelet wrote meanwhile: the list is replaced as a whole.
        patch: dict[str, Any] = {
            "metadata": {"resourceVersion": node["metadata"]["resourceVersion"]},
            "status": {"volumesAttached": attached or None},
        }
        await self.nodes.patch(name, "", patch, type=STRATEGIC_PATCH, subresource="status")
        return len(attached) > len(before)

    def _tell_refused(self, volume: Object, users: dict[str, list[Object]], refused: Sequence[str]) -> None:
        name = volume["metadata"]["name"]
        told = self.told.pop(name, {})
        for node in refused:
            if node not in told:
                self._tell_pods(users[node], "Warning", "FailedAttachVolume", MULTI_ATTACH.format(name))
        if refused:
            self.told[name] = dict.fromkeys(refused)

    def _tell_pods(self, pods: Sequence[Object], kind: str, reason: str, message: str) -> None:
        for pod in pods:
            self.recorder.event({**pod, "apiVersion": "v1", "kind": "Pod"}, kind, reason, message)

    def of_pod(self, pod: Object) -> Iterable[Request]:
        """The volumes of a pod that is on a node."""
        if pod["spec"].get("nodeName"):
            for request in claim_requests(pod):
                claim = self.claims.get(*request)
                if claim is not None:
                    yield from of_claim(claim)

    def of_node(self, node: Object) -> Iterable[Request]:
        for attachment in self.known.by_index("node", node["metadata"]["name"]):
            yield Request("", volume_of(attachment))


def of_claim(claim: Object) -> Iterable[Request]:
    return (Request("", claim["spec"]["volumeName"]),) if claim["spec"].get("volumeName") else ()


def _matters(old: Object | None, new: Object) -> bool:
    return old is None or is_over(old) != is_over(new) or old["spec"].get("nodeName") != new["spec"].get("nodeName")


def _unmounted(old: Object | None, new: Object) -> bool:
    """Did a node unmount something, or was it declared out of service?"""
    if old is None:
        return False
    before, after = ((node.get("status") or {}).get("volumesInUse") or [] for node in (old, new))
    return before != after or node_facts.taints_of(old) != node_facts.taints_of(new)


def build(context: Context) -> Loop:
    reconciler = AttachDetach(context)
    controller = Controller(NAME, reconciler, workers=WORKERS)
    controller.watch(context.informer(PODS), reconciler.of_pod, when=_matters)
    controller.watch(context.informer(NODES), reconciler.of_node, when=_unmounted)
    controller.watch(context.informer(PERSISTENT_VOLUME_CLAIMS), of_claim)
    attachments = context.informer(VOLUME_ATTACHMENTS)

    def changed(attachment: Object) -> None:
        if volume_of(attachment):
            controller.queue.add(Request("", volume_of(attachment)))

    def gone(attachment: Object) -> None:
        reconciler.waiting.pop(attachment["metadata"]["name"], None)
        changed(attachment)

    attachments.add_handler(Handler(added=changed, updated=lambda old, new: changed(new), deleted=gone))
    for informer in (attachments, context.informer(PERSISTENT_VOLUMES), context.informer(CSI_DRIVERS)):
        controller.needs(informer)
    return controller
