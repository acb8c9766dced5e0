"""Decides on volumes for a pod's claims, node by node, and has the decision carried out. Mirrors plugins/volumebinding/binder.go.

Volumes of in-tree plugins are taken as they are: their translation to CSI, with the topology labels it changes, is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from apiserver.apimachinery import labels
from apiserver.apimachinery.objects import Object, annotations_of, copy, labels_of
from controllers.framework import kinds
from controllers.scheduler.framework import listers
from controllers.scheduler.framework.interface import Handle
from controllers.scheduler.framework.node_info import NodeInfo
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.resources import amount
from controllers.scheduler.plugins.assume_cache import AssumeCache
from controllers.scheduler.plugins.volume_claims import (
    NO_PROVISIONER,
    SELECTED_NODE,
    class_of,
    fully_bound,
    reachable_from,
    topology_allowed,
)
from controllers.scheduler.plugins.volume_matching import bind_volume, find_match, requested

NO_MATCH = "node(s) didn't find available persistent volumes to bind"
OUT_OF_REACH = "node(s) didn't match PersistentVolume's node affinity"
NO_SPACE = "node(s) did not have enough free storage"
NO_VOLUME = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
POLL = 1.0  # seconds
BY_CLASS = "storageClass"


class BindingError(Exception):
    """Volumes cannot be bound as decided: the pod is scheduled anew."""


class Binding(NamedTuple):
    """A claim and the volume it is to get."""

    claim: Object
    volume: Object


class Provision(NamedTuple):
    """A claim for which a volume is to be made, and the bytes left where that would be, if known."""

    claim: Object
    left: int | None


@dataclass
class PodVolumes:
    """What a node offers for a pod's unbound claims."""

    bindings: list[Binding] = field(default_factory=list)
    provisions: list[Provision] = field(default_factory=list)


@dataclass
class Claims:
    """A pod's claims: bound ones, and those bound when it is scheduled, with the volumes of their classes."""

    bound: list[Object]
    waiting: list[Object]
    volumes: Mapping[str, list[Object]] = field(default_factory=dict)


class VolumeBinder:
    """`find` is pure but for what it reads; `assume` remembers, `bind` writes and waits."""

    def __init__(self, handle: Handle, timeout: float) -> None:
        self._handle = handle
        self._timeout = timeout
        self._volume_client = handle.client.resource(kinds.PERSISTENT_VOLUMES)
        self._claim_client = handle.client.resource(kinds.PERSISTENT_VOLUME_CLAIMS)
        volumes = handle.listers.informer(kinds.PERSISTENT_VOLUMES)
        volumes.add_index(BY_CLASS, lambda volume: (class_of(volume),))
        self._volumes_of_class = volumes.lister
        self.volumes = AssumeCache(volumes)
        self.claims = AssumeCache(handle.listers.informer(kinds.PERSISTENT_VOLUME_CLAIMS))

    def of_class(self, name: str) -> list[Object]:
        return list(self.volumes.overlay(self._volumes_of_class.by_index(BY_CLASS, name)))

    # Deciding

    def find(self, claims: Claims, node: NodeInfo) -> PodVolumes | list[str]:
        """What the node offers, or what stands against it."""
        if claims.bound and (reason := self._against_bound(claims.bound, node)):
            return [reason]
        offer = PodVolumes()
        free: list[Object] = []
        to_make: list[Object] = []
        for claim in claims.waiting:
            selected = annotations_of(claim).get(SELECTED_NODE)
            if selected is not None and selected != node.name:
                return [NO_MATCH]
            (free if selected is None else to_make).append(claim)
        taken: dict[str, Object] = {}
        for claim in sorted(free, key=requested):
            volume = find_match(claim, claims.volumes.get(class_of(claim), ()), node.labels, taken)
            if volume is None:
                to_make.append(claim)
            else:
                taken[volume["metadata"]["name"]] = volume
                offer.bindings.append(Binding(claim, volume))
        for claim in to_make:
            provision = self._provision(claim, node)
            if isinstance(provision, str):
                return [provision]
            offer.provisions.append(provision)
        return offer

    def _against_bound(self, claims: Sequence[Object], node: NodeInfo) -> str:
        for claim in claims:
            volume = self.volumes.get("", claim["spec"]["volumeName"])
            if volume is None:
                return NO_VOLUME
            if not reachable_from(volume, node.labels):
                return OUT_OF_REACH
        return ""

    def _provision(self, claim: Object, node: NodeInfo) -> Provision | str:
        name = class_of(claim)
        meta = claim["metadata"]
        if not name:
            raise BindingError(f'no class for claim "{meta["namespace"]}/{meta["name"]}"')
        found = self._handle.listers.get(kinds.STORAGE_CLASSES, "", name)
        if found is None:
            raise BindingError(f'failed to find storage class "{name}"')
        provisioner = found.get("provisioner") or ""
        if provisioner in ("", NO_PROVISIONER) or not topology_allowed(found.get("allowedTopologies"), node.labels):
            return NO_MATCH
        return self._with_space(claim, name, provisioner, node)

    def _with_space(self, claim: Object, storage_class: str, provisioner: str, node: NodeInfo) -> Provision | str:
        """Drivers that tell their capacity must have enough of it."""
        driver = self._handle.listers.get(listers.CSI_DRIVERS, "", provisioner)
        size = requested(claim)
        if not size or driver is None or not driver["spec"].get("storageCapacity"):
            return Provision(claim, None)
        for space in self._handle.listers.list(listers.CSI_STORAGE_CAPACITIES):
            if space.get("storageClassName") != storage_class or volume_limit(space) < size:
                continue
            topology = space.get("nodeTopology")
            if topology is not None and labels.from_label_selector(topology).matches(node.labels):
                return Provision(claim, amount("storage", str(space.get("capacity", "0"))))
        return NO_SPACE

    # Carrying out

    def assume(self, node: str, offer: PodVolumes) -> PodVolumes:
        """Take the offer as accomplished, so that the next pod does not get the same volumes. Raises ValueError."""
        assumed = PodVolumes()
        try:
            for claim, volume in offer.bindings:
                bound, changed = bind_volume(volume, claim)
                if changed:
                    self.volumes.assume(bound)
                assumed.bindings.append(Binding(claim, bound))
            for claim, left in offer.provisions:
                wanted = copy(claim)
                wanted["metadata"]["annotations"] = {**annotations_of(claim), SELECTED_NODE: node}
                self.claims.assume(wanted)
                assumed.provisions.append(Provision(wanted, left))
        except ValueError:
            self.revert(assumed)
            raise
        return assumed

    def revert(self, assumed: PodVolumes) -> None:
        for binding in assumed.bindings:
            self.volumes.restore(binding.volume)
        for provision in assumed.provisions:
            self.claims.restore(provision.claim)

    async def bind(self, pod: PodInfo, node: str, assumed: PodVolumes) -> None:
        """Write, and wait until the volume controller has finished. Raises BindingError, and what the client raises."""
        volumes = [await self._volume_client.update(binding.volume) for binding in assumed.bindings]
        claims = [await self._claim_client.update(provision.claim) for provision in assumed.provisions]
        try:
            async with asyncio.timeout(self._timeout):
                await self._finished(pod, node, assumed, volumes, claims)
        except TimeoutError as error:
            raise BindingError("binding volumes: context deadline exceeded") from error

    async def _finished(
        self, pod: PodInfo, node: str, assumed: PodVolumes, volumes: Sequence[Object], claims: Sequence[Object]
    ) -> None:
        while True:
            if self._done(pod, node, assumed, volumes, claims):
                return
            await asyncio.sleep(POLL)

    def _done(
        self, pod: PodInfo, node: str, assumed: PodVolumes, volumes: Sequence[Object], claims: Sequence[Object]
    ) -> bool:
        seen = self._handle.listers.nodes.lister.get("", node)
        if seen is None:
            raise BindingError(f'binding volumes: failed to get node "{node}": node "{node}" not found')
        if self._handle.listers.pod(*pod.key) is None:
            raise BindingError(f'binding volumes: pod does not exist any more: pod "{pod.name}" not found')
        done = True
        for binding, written in zip(assumed.bindings, volumes, strict=True):
            done = self._bound(binding, written, node, labels_of(seen)) and done
        for written in claims:
            done = self._provisioned(written, node, labels_of(seen)) and done
        return done

    def _bound(self, binding: Binding, written: Object, node: str, node_labels: Mapping[str, str]) -> bool:
        volume = self.volumes.api("", written["metadata"]["name"])
        claim = self.claims.api(binding.claim["metadata"]["namespace"], binding.claim["metadata"]["name"])
        if volume is None or claim is None:
            raise BindingError("binding volumes: failed to check binding: the volume or its claim is gone")
        if _older(volume, written):
            return False
        _check_reach(volume, node, node_labels)
        if not (volume["spec"].get("claimRef") or {}).get("uid"):
            raise BindingError(f'binding volumes: ClaimRef got reset for pv "{volume["metadata"]["name"]}"')
        return fully_bound(claim)

    def _provisioned(self, written: Object, node: str, node_labels: Mapping[str, str]) -> bool:
        meta = written["metadata"]
        claim = self.claims.api(meta["namespace"], meta["name"])
        if claim is None:
            raise BindingError(f'binding volumes: failed to check provisioning pvc: "{meta["name"]}" is gone')
        if _older(claim, written):
            return False
        if annotations_of(claim).get(SELECTED_NODE) != node:
            raise BindingError(f'binding volumes: provisioning failed for PVC "{meta["name"]}"')
        if name := claim["spec"].get("volumeName"):
            volume = self.volumes.api("", name)
            if volume is None:
                return False
            _check_reach(volume, node, node_labels)
        return fully_bound(claim)


def volume_limit(space: Object) -> int:
    """The largest volume a CSIStorageCapacity promises; -1 where it says nothing."""
    text = space.get("maximumVolumeSize") or space.get("capacity")
    return amount("storage", str(text)) if text is not None else -1


def _older(seen: Object, written: Object) -> bool:
    """The informer has not caught up with what was written."""
    return int(seen["metadata"]["resourceVersion"]) < int(written["metadata"]["resourceVersion"])


def _check_reach(volume: Object, node: str, node_labels: Mapping[str, str]) -> None:
    if not reachable_from(volume, node_labels):
        name = volume["metadata"]["name"]
        why = "no matching NodeSelectorTerms"
        raise BindingError(f'binding volumes: pv "{name}" node affinity doesn\'t match node "{node}": {why}')
