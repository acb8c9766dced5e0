"""Which daemon pods to make and which to delete: pure functions (upstream podsShouldBeOnNode and rollingUpdate)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from apiserver.apimachinery import intstr, objects
from apiserver.apimachinery.objects import Object
from controllers.framework import pods as pod_facts
from controllers.framework.revisions import REVISION_HASH
from controllers.loops.daemonset.placement import Placement

GENERATION = "deprecated.daemonset.template.generation"  # annotation
GENERATION_LABEL = "pod-template-generation"

# (reason, type, message) of an event
Told = tuple[str, str, str]


@dataclass
class Plan:
    """Nodes that get a pod, pods that go, what is said about it."""

    create: list[str] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)


@dataclass
class Daemons:
    """One look at a DaemonSet: where its pods may be, and where they are."""

    daemon_set: Object
    hash: str
    placements: dict[str, Placement]  # by node
    pods: dict[str, list[Object]]  # by node; in order of creation
    now: float

    @property
    def spec(self) -> dict[str, Any]:
        return self.daemon_set["spec"]  # type: ignore[no-any-return]

    @property
    def desired(self) -> int:
        return sum(placement.run for placement in self.placements.values())

    def is_updated(self, pod: Object) -> bool:
        """Made from the present template, by its hash or, as of old, by its generation."""
        labels = objects.labels_of(pod)
        generation = objects.annotations_of(self.daemon_set).get(GENERATION)
        return labels.get(REVISION_HASH) == self.hash or (
            generation is not None and labels.get(GENERATION_LABEL) == generation
        )

    def is_available(self, pod: Object) -> bool:
        return pod_facts.is_available(pod, self.spec.get("minReadySeconds") or 0, self.now)

    def limits(self, desired: int) -> tuple[int, int]:
        """(maxSurge, maxUnavailable) in pods; both zero would stand still."""
        strategy = self.spec.get("updateStrategy") or {}
        rolling = strategy.get("rollingUpdate") if strategy.get("type") == "RollingUpdate" else None
        if not rolling:
            return 0, 1 if desired else 0
        surge = intstr.scaled(rolling.get("maxSurge", 0), desired, round_up=True)
        unavailable = intstr.scaled(rolling.get("maxUnavailable", 0), desired, round_up=True)
        return surge, 1 if desired and not surge and not unavailable else unavailable

    def surges(self) -> bool:
        strategy = self.spec.get("updateStrategy") or {}
        return strategy.get("type") == "RollingUpdate" and self.limits(1)[0] > 0


def oldest_first(pod: Object) -> tuple[bool, str, str]:
    """A sort key: pods on a node before those that wait for it, then by age."""
    meta = pod["metadata"]
    return not pod["spec"].get("nodeName"), meta.get("creationTimestamp") or "", meta["name"]


def is_deleted(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def manage(daemons: Daemons, may_kill: Callable[[str], bool]) -> Plan:
    """One pod on each node that should have one, none elsewhere; `may_kill(node)`: is the back-off of failures over?"""
    plan = Plan()
    for node, placement in daemons.placements.items():
        pods = daemons.pods.get(node)
        if placement.run and pods is None:
            plan.create.append(node)
        elif placement.stay:
            _keep_one(daemons, node, pods or [], plan, may_kill, run=placement.run)
        elif pods is not None:
            plan.delete += [pod for pod in pods if not is_deleted(pod)]
    for node, pods in daemons.pods.items():
        if node not in daemons.placements:
            # Nobody else would ever delete them: they wait for a node that is not there.
            plan.delete += [pod for pod in pods if not pod["spec"].get("nodeName")]
    return plan


def _keep_one(
    daemons: Daemons, node: str, pods: list[Object], plan: Plan, may_kill: Callable[[str], bool], *, run: bool
) -> None:
    running = []
    for pod in pods:
        named = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        if is_deleted(pod):
            continue
        if pod_facts.phase(pod) == "Failed":
            if may_kill(node):
                message = f"Found failed daemon pod {named} on node {node}, will try to kill it"
                plan.told.append(("FailedDaemonPod", "Warning", message))
                plan.delete.append(pod)
        elif pod_facts.phase(pod) == "Succeeded":
            message = f"Found succeeded daemon pod {named} on node {node}, will try to delete it"
            plan.told.append(("SucceededDaemonPod", "Normal", message))
            plan.delete.append(pod)
        else:
            running.append(pod)
    running.sort(key=oldest_first)
    if not daemons.surges():
        plan.delete += running[1:]
    elif running[1:]:
        plan.delete += _surplus(daemons, running)
    elif not running and run:
        plan.create.append(node)


def _surplus(daemons: Daemons, running: list[Object]) -> list[Object]:
    """Of the pods of a surging node one old and one new may stay, as long as the old one is ready and the new one not."""
    new = [pod for pod in running if objects.labels_of(pod).get(REVISION_HASH) == daemons.hash]
    old = [pod for pod in running if objects.labels_of(pod).get(REVISION_HASH) != daemons.hash]
    surplus = new[1:] + old[1:]
    if new and old and (not pod_facts.is_ready(old[0]) or daemons.is_available(new[0])):
        surplus.append(old[0])
    return surplus


def rolling_update(daemons: Daemons) -> Plan:
    """The next step towards the present template."""
    surge, unavailable = daemons.limits(daemons.desired)
    pods = {**daemons.pods}
    for node, placement in daemons.placements.items():
        if placement.run:
            pods.setdefault(node, [])
    pairs = {node: _old_and_new(daemons, on_node) for node, on_node in pods.items()}
    return _surge(daemons, pairs, surge) if surge else _replace(daemons, pairs, unavailable)


# (old, new); None: the node has too many of a kind, which `manage` puts right first
Pair = tuple[Object | None, Object | None] | None


def _old_and_new(daemons: Daemons, pods: list[Object]) -> Pair:
    alive = [pod for pod in pods if not is_deleted(pod)]
    old = [pod for pod in alive if not daemons.is_updated(pod)]
    new = [pod for pod in alive if daemons.is_updated(pod)]
    if len(old) > 1 or len(new) > 1:
        return None
    return old[0] if old else None, new[0] if new else None


def _replace(daemons: Daemons, pairs: dict[str, Pair], most: int) -> Plan:
    """Delete old pods, as many as may be unavailable: those that are not available anyway do not count."""
    unavailable, broken, candidates = 0, list[Object](), list[Object]()
    for pair in pairs.values():
        old, new = pair or (None, None)
        if old is not None and new is None:
            if not daemons.is_available(old):
                broken.append(old)
                unavailable += 1
            elif unavailable < most:
                candidates.append(old)
        elif new is None or old is not None or not daemons.is_available(new):
            unavailable += 1
    return Plan(delete=broken + candidates[: max(most - unavailable, 0)])


def _surge(daemons: Daemons, pairs: dict[str, Pair], most: int) -> Plan:
    """Make new pods beside old ones, as many as may be too many; an old one goes when its new one is available."""
    plan, surging, available = Plan(), 0, 0
    candidates, misplaced = list[str](), list[Object]()
    for node, pair in pairs.items():
        if pair is None:
            surging += 1
            continue
        old, new = pair
        counted = old if old is not None else new
        available += counted is not None and daemons.is_available(counted)
        if old is None:
            continue
        if new is not None:
            if daemons.is_available(new):
                plan.delete.append(old)
            else:
                surging += 1
        elif not _runs(daemons, node):
            (misplaced if daemons.is_available(old) else plan.delete).append(old)
        elif not daemons.is_available(old):
            plan.create.append(node)
        elif surging < most:
            candidates.append(node)
    # An available pod on a node that no longer fits goes only when another one is available for it.
    plan.delete += misplaced[: max(available - daemons.desired, 0)]
    plan.create += candidates[: max(most - surging, 0)]
    return plan


def _runs(daemons: Daemons, node: str) -> bool:
    placement = daemons.placements.get(node)
    return placement is not None and placement.run


def status_of(daemons: Daemons, *, observed: bool) -> dict[str, Any]:
    """The status that what was found amounts to; `observed`: the present generation was worked on."""
    before = daemons.daemon_set.get("status") or {}
    counts = dict.fromkeys(("current", "misscheduled", "ready", "updated", "available"), 0)
    for node, placement in daemons.placements.items():
        pods = daemons.pods.get(node)
        if not pods:
            continue
        if not placement.run:
            counts["misscheduled"] += 1
            continue
        pod = min(pods, key=oldest_first)
        counts["current"] += 1
        counts["ready"] += pod_facts.is_ready(pod)
        counts["available"] += daemons.is_available(pod)
        counts["updated"] += daemons.is_updated(pod)
    generation = daemons.daemon_set["metadata"].get("generation", 0)
    optional = {
        "observedGeneration": generation if observed else before.get("observedGeneration", 0),
        "updatedNumberScheduled": counts["updated"],
        "numberAvailable": counts["available"],
        "numberUnavailable": daemons.desired - counts["available"],
        "collisionCount": before.get("collisionCount"),
        "conditions": before.get("conditions"),
    }
    return {
        "currentNumberScheduled": counts["current"],
        "numberMisscheduled": counts["misscheduled"],
        "desiredNumberScheduled": daemons.desired,
        "numberReady": counts["ready"],
        **{name: value for name, value in optional.items() if value},
    }
