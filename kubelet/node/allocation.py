"""What a node has given to its pods, and resizing in place (upstream pkg/kubelet/allocation).

Three stages of a container's resources: desired (its spec), allocated (the node agreed), actuated (the runtime was told). The
workers see the pod as allocated; a resize that does not fit now waits, with the condition PodResizePending.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.quantity import parse
from kubelet.node import conditions, facts
from kubelet.node.actions import ResizeNeed
from kubelet.node.admission import Rejection
from kubelet.node.context import NORMAL, WARNING, NodeContext
from kubelet.node.resources import requests_of
from kubelet.node.runtime_status import RuntimeStatus
from kubelet.runtime.interface import ContainerStatus

RETRY = 180.0  # seconds between tries of what waits (upstream retryDelay)
RESIZABLE = ("cpu", "memory")
_QOS_ORDER = {"Guaranteed": 0, "Burstable": 1, "BestEffort": 2}

Requirements = dict[str, Any]  # requests, limits


@dataclass
class _Allocation:
    containers: dict[str, Requirements]
    actuated: dict[str, Requirements] = field(default_factory=dict)
    pending: Object | None = None  # conditions
    in_progress: Object | None = None


def resizable_containers(pod: Object) -> list[dict[str, Any]]:
    return [*(each for each in facts.init_containers(pod) if facts.is_sidecar(each)), *facts.containers(pod)]


def _amount(resources: Requirements | None, kind: str, name: str) -> int:
    value = ((resources or {}).get(kind) or {}).get(name)
    return parse(str(value)).milli_value if value is not None else 0


def _differ(one: Requirements | None, other: Requirements | None) -> list[str]:
    """The resizable resources in which two requirements differ."""
    return [
        name
        for name in RESIZABLE
        if any(_amount(one, kind, name) != _amount(other, kind, name) for kind in ("requests", "limits"))
    ]


class Allocations:
    """One node's. `admit` decides whether a pod fits beside the others that are allocated."""

    def __init__(self, context: NodeContext, admit: Callable[[Object], Rejection | None]) -> None:
        self._context = context
        self._admit = admit
        self._pods: dict[str, _Allocation] = {}
        self._waiting: dict[str, Object] = {}  # pods whose resize does not fit now, as desired

    def known(self, uid: str) -> bool:
        return uid in self._pods

    def allocate(self, pod: Object) -> None:
        """The node agrees to what the pod asks for."""
        given = {each["name"]: each.get("resources") or {} for each in resizable_containers(pod)}
        found = self._pods.get(facts.uid_of(pod))
        if found is None:
            self._pods[facts.uid_of(pod)] = _Allocation(given)
        else:
            found.containers = given

    def forget(self, uid: str) -> None:
        self._pods.pop(uid, None)
        self._waiting.pop(uid, None)

    def allocated(self, pod: Object) -> Object:
        """The pod with the resources it has been given; the same object when these are the ones it asks for."""
        found = self._pods.get(facts.uid_of(pod))
        if found is None or not self.wants_resize(pod):
            return pod
        spec = dict(pod["spec"])
        for kind in ("containers", "initContainers"):
            if kind in spec:
                spec[kind] = [
                    {**each, "resources": found.containers[each["name"]]} if each["name"] in found.containers else each
                    for each in spec[kind]
                ]
        return {**pod, "spec": spec}

    def wants_resize(self, pod: Object) -> bool:
        found = self._pods.get(facts.uid_of(pod))
        if found is None:
            return False
        return any(
            (each.get("resources") or {}) != (given := found.containers.get(each["name"], {}))
            and _differ(each.get("resources"), given)
            for each in resizable_containers(pod)
        )

    # Resizing

    def resized(self, pod: Object) -> None:
        """The pod's spec asks for other resources than it has, or not any more."""
        uid = facts.uid_of(pod)
        if self.wants_resize(pod):
            self._waiting[uid] = pod
            self._try(pod)
        else:
            self._waiting.pop(uid, None)
            self._pods[uid].pending = None

    def retry(self) -> list[str]:
        """Try what waits, as something may have become free; returns the uids of pods whose state changed."""
        changed = []
        for pod in sorted(self._waiting.values(), key=self._urgency):
            uid = facts.uid_of(pod)
            before = self.conditions(uid)
            if self._try(pod) or before != self.conditions(uid):
                changed.append(uid)
        return changed

    def _urgency(self, pod: Object) -> tuple[bool, int, int]:
        """Shrinking first, then by priority, then by quality of service."""
        grows = any(
            value > requests_of(self.allocated(pod)).get(name, parse("0")) for name, value in requests_of(pod).items()
        )
        return grows, -(pod["spec"].get("priority") or 0), _QOS_ORDER[facts.qos_of(pod)]

    def _try(self, pod: Object) -> bool:
        """Give the pod what it asks for if it fits."""
        uid, generation = facts.uid_of(pod), pod["metadata"].get("generation") or 0
        found = self._pods[uid]
        refused = Rejection("Infeasible", "In-place resize of static-pods is not supported")
        rejection = refused if facts.is_static(pod) else self._admit(pod)
        if rejection is None:
            self.allocate(pod)
            self._waiting.pop(uid, None)
            found.pending = None
            found.in_progress = self._condition(conditions.RESIZE_IN_PROGRESS, None, generation)
            self._tell(pod, NORMAL, "ResizeStarted", "Pod resize started", generation)
            return True
        reason = "Infeasible" if rejection.reason == "Infeasible" else "Deferred"
        before = found.pending
        found.pending = self._condition(conditions.RESIZE_PENDING, before, generation, reason, rejection.message)
        news = before is None or (before["reason"], before["observedGeneration"]) != (reason, generation)
        if news:
            self._tell(pod, WARNING, f"Resize{reason}", f"Pod resize {reason}", generation, rejection.message)
        if reason == "Infeasible":
            self._waiting.pop(uid, None)
        return False

    def _condition(self, kind: str, old: Object | None, generation: int, reason: str = "", message: str = "") -> Object:
        now = rfc3339(self._context.clock.now())
        same = old is not None and old.get("reason", "") == reason
        since = old["lastTransitionTime"] if old is not None and same else now
        made: Object = {"type": kind, "status": "True", "lastProbeTime": now, "lastTransitionTime": since}
        made |= {key: value for key, value in (("reason", reason), ("message", message)) if value}
        return made | {"observedGeneration": generation}

    def _tell(self, pod: Object, type: str, reason: str, prefix: str, generation: int, error: str = "") -> None:
        self._context.event(pod, type, reason, f"{prefix}: {summary(pod, generation, error)}")

    def conditions(self, uid: str) -> Sequence[Object]:
        found = self._pods.get(uid)
        if found is None:
            return ()
        return [each for each in (found.pending, found.in_progress) if each is not None]

    def observe(self, pod: Object, runtime: RuntimeStatus) -> None:
        """See whether a resize is done (`pod` as allocated)."""
        found = self._pods.get(facts.uid_of(pod))
        if found is None or found.in_progress is None:
            return
        for container in resizable_containers(pod):
            status = runtime.find(container["name"])
            running = status is not None and status.state == "running"
            if running and _differ(container.get("resources"), found.actuated.get(container["name"])):
                return
        generation = found.in_progress["observedGeneration"]
        found.in_progress = None
        self._tell(pod, NORMAL, "ResizeCompleted", "Pod resize completed", generation)

    # The runner

    def actuated(self, uid: str, container: dict[str, Any]) -> None:
        """The runtime has been told."""
        if uid in self._pods:
            self._pods[uid].actuated[container["name"]] = container.get("resources") or {}

    def need(self, container: dict[str, Any], status: ContainerStatus) -> ResizeNeed:
        found = self._pods.get(status.pod_uid)
        if found is None or container["name"] not in found.actuated:
            return ResizeNeed.NONE
        has, wants = found.actuated[container["name"]], container.get("resources") or {}
        changed = _differ(has, wants) if has != wants else []
        if not changed:
            return ResizeNeed.NONE
        policies = {each["resourceName"]: each.get("restartPolicy") for each in container.get("resizePolicy") or ()}
        restarts = any(policies.get(name) == "RestartContainer" for name in changed)
        return ResizeNeed.RESTART if restarts else ResizeNeed.UPDATE


def summary(pod: Object, generation: int, error: str = "") -> str:
    """The resources of a pod as events show them."""
    made: dict[str, Any] = {}
    for kind in ("initContainers", "containers"):
        if listed := pod["spec"].get(kind):
            made[kind] = [{"name": each["name"], "resources": _sorted(each.get("resources") or {})} for each in listed]
    made["generation"] = generation
    if error:
        made["error"] = error
    return json.dumps(made, separators=(",", ":"))


def _sorted(resources: Requirements) -> Requirements:
    return {kind: dict(sorted(resources[kind].items())) for kind in ("limits", "requests") if resources.get(kind)}
