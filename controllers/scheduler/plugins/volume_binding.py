"""A pod goes where its volumes are, or can be made; claims that wait for their first consumer are bound on the way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object, annotations_of
from controllers.scheduler.framework import events
from controllers.scheduler.framework.events import ClusterEvent, EventHint
from controllers.scheduler.framework.interface import CycleState, Handle
from controllers.scheduler.framework.node_info import NodeInfo
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.status import ERROR, SKIP, UNRESOLVABLE, Status, as_status
from controllers.scheduler.plugins import arguments
from controllers.scheduler.plugins.resource_scores import MAX_UTILIZATION, broken_linear
from controllers.scheduler.plugins.volume_binder import BindingError, Claims, PodVolumes, VolumeBinder, volume_limit
from controllers.scheduler.plugins.volume_claims import (
    ClaimUse,
    NotFound,
    claims_used,
    class_of,
    fully_bound,
    not_for_pod,
    uses_claim,
    waits_for_consumer,
)
from controllers.scheduler.plugins.volume_matching import capacity, requested

_SKIP = Status(SKIP)
MIGRATED = "storage.alpha.kubernetes.io/migrated-plugins"
DEFAULT_SHAPE = ({"utilization": 0, "score": 10}, {"utilization": 100, "score": 0})


@dataclass
class _State:
    claims: Claims
    offers: dict[str, PodVolumes] = field(default_factory=dict)  # by node
    assumed: PodVolumes | None = None  # what was reserved; None: nothing to bind


class VolumeBinding:
    """Arguments: `bindTimeoutSeconds`, `shape` (scores by how full a class's storage is)."""

    name = "VolumeBinding"
    argument_errors = staticmethod(arguments.VOLUME_BINDING)

    def __init__(self, args: Mapping[str, Any], handle: Handle) -> None:
        self._handle = handle
        self._binder = VolumeBinder(handle, float(args.get("bindTimeoutSeconds", 600)))
        shape = args.get("shape") or DEFAULT_SHAPE
        self._shape = [(p.get("utilization", 0), p.get("score", 0) * 10) for p in shape]

    def events(self) -> Sequence[EventHint]:
        changed = events.ADD | events.UPDATE
        return (
            EventHint(ClusterEvent(events.STORAGE_CLASS, changed), _class_changed),
            EventHint(ClusterEvent(events.PERSISTENT_VOLUME_CLAIM, changed), lambda p, old, new: uses_claim(p, new)),
            EventHint(ClusterEvent(events.PERSISTENT_VOLUME, changed)),
            EventHint(ClusterEvent(events.NODE, events.ADD | events.UPDATE_NODE_LABEL)),
            EventHint(ClusterEvent(events.CSI_NODE, changed), _csi_node_changed),
            EventHint(ClusterEvent(events.CSI_DRIVER, events.UPDATE), _driver_changed),
            EventHint(ClusterEvent(events.CSI_STORAGE_CAPACITY, changed), _space_grew),
        )

    # Filter

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        uses = list(claims_used(pod.pod))
        if not uses:
            return _SKIP
        try:
            found = [self._usable(pod, use) for use in uses]
        except NotFound as error:
            return Status(UNRESOLVABLE, str(error))
        bound = [claim for claim in found if fully_bound(claim)]
        unbound = [claim for claim in found if not fully_bound(claim)]
        waiting = [
            c for c in unbound if not c["spec"].get("volumeName") and waits_for_consumer(self._handle.listers, c)
        ]
        if len(waiting) < len(unbound):
            return Status(UNRESOLVABLE, "pod has unbound immediate PersistentVolumeClaims")
        volumes = {name: self._binder.of_class(name) for name in dict.fromkeys(map(class_of, waiting))}
        state.data[self.name] = _State(Claims(bound, waiting, volumes))
        return None

    def _usable(self, pod: PodInfo, use: ClaimUse) -> Object:
        """The claim. Raises NotFound with the reason why it cannot be used."""
        claim = self._binder.claims.get(pod.namespace, use.name)
        if claim is None and use.ephemeral:
            waiting = "waiting for ephemeral volume controller to create the persistentvolumeclaim"
            raise NotFound(f'{waiting} "{use.name}"')
        if claim is None:
            raise NotFound(f'persistentvolumeclaim "{use.name}" not found')
        if (claim.get("status") or {}).get("phase") == "Lost":
            lost = claim["spec"].get("volumeName") or ""
            raise NotFound(f'persistentvolumeclaim "{use.name}" bound to non-existent persistentvolume "{lost}"')
        if claim["metadata"].get("deletionTimestamp"):
            raise NotFound(f'persistentvolumeclaim "{use.name}" is being deleted')
        if use.ephemeral and (why := not_for_pod(pod.pod, claim)):
            raise NotFound(why)
        return claim

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        mine: _State = state.data[self.name]
        try:
            found = self._binder.find(mine.claims, node)
        except (BindingError, ValueError) as error:
            return as_status(error)
        if isinstance(found, PodVolumes):
            mine.offers[node.name] = found
            return None
        return Status(UNRESOLVABLE, *found)

    # Score

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        return None if self.name in state.data else _SKIP

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        offer = state.data[self.name].offers.get(node.name)
        if offer is None:
            return 0
        classes = _static(offer) if offer.bindings else _dynamic(offer)
        if not classes:
            return 0
        total = sum(self._utilization_score(wanted, there) for wanted, there in classes.values())
        return math.floor(total / len(classes) + 0.5)

    def _utilization_score(self, wanted: int, there: int) -> int:
        full = there == 0 or wanted > there
        return broken_linear(self._shape, MAX_UTILIZATION if full else wanted * MAX_UTILIZATION // there)

    # Binding

    def reserve(self, state: CycleState, pod: PodInfo, node: str) -> Status | None:
        mine: _State | None = state.data.get(self.name)
        offer = mine.offers.get(node) if mine is not None else None
        if mine is None or offer is None or not mine.claims.waiting:
            return None
        try:
            mine.assumed = self._binder.assume(node, offer)
        except ValueError as error:
            return as_status(error)
        return None

    def unreserve(self, state: CycleState, pod: PodInfo, node: str) -> None:
        mine: _State | None = state.data.get(self.name)
        if mine is not None and mine.assumed is not None:
            self._binder.revert(mine.assumed)

    def pre_bind_pre_flight(self, state: CycleState, pod: PodInfo, node: str) -> Status | None:
        mine: _State | None = state.data.get(self.name)
        return _SKIP if mine is None or mine.assumed is None else None

    async def pre_bind(self, state: CycleState, pod: PodInfo, node: str) -> Status | None:
        mine: _State | None = state.data.get(self.name)
        if mine is None or mine.assumed is None:
            return None
        try:
            await self._binder.bind(pod, node, mine.assumed)
        except (BindingError, StatusError, ConnectionError, TimeoutError, OSError) as error:
            return Status(ERROR, str(error), error=error)
        return None


def _static(offer: PodVolumes) -> dict[str, tuple[int, int]]:
    """(bytes wanted, bytes there) by storage class."""
    classes: dict[str, tuple[int, int]] = {}
    for claim, volume in offer.bindings:
        wanted, there = classes.get(class_of(volume), (0, 0))
        classes[class_of(volume)] = (wanted + requested(claim), there + capacity(volume))
    return classes


def _dynamic(offer: PodVolumes) -> dict[str, tuple[int, int]]:
    classes: dict[str, tuple[int, int]] = {}
    for claim, left in offer.provisions:
        if left is not None:
            classes[class_of(claim)] = (classes.get(class_of(claim), (0, 0))[0] + requested(claim), left)
    return classes


def _class_changed(pod: Object, old: Any, new: Any) -> bool:
    return old is None or old.get("allowedTopologies") != new.get("allowedTopologies")


def _csi_node_changed(pod: Object, old: Any, new: Any) -> bool:
    return old is None or annotations_of(old).get(MIGRATED) != annotations_of(new).get(MIGRATED)


def _driver_changed(pod: Object, old: Any, new: Any) -> bool:
    """Did a driver of one of the pod's inline volumes stop asking for capacity?"""
    named = [v["csi"]["driver"] for v in pod["spec"].get("volumes") or () if v.get("csi")]
    asked, asks = old["spec"].get("storageCapacity"), new["spec"].get("storageCapacity")
    return new["metadata"]["name"] in named and bool(asked) and not asks


def _space_grew(pod: Object, old: Any, new: Any) -> bool:
    return old is None or volume_limit(new) > volume_limit(old)
