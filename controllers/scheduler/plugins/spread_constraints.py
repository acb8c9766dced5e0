"""Topology spread constraints of a pod, its own or the defaults, parsed (upstream plugins/podtopologyspread/common.go).

Default constraints select what the pod's services, and the controller that owns it, select (plugins/helper/spread.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from apiserver.apimachinery import labels
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.objects import Object, controller_of
from controllers.framework import kinds
from controllers.scheduler.framework.listers import Listers
from controllers.scheduler.framework.node_info import NodeInfo, number_of
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.plugins.node_selectors import RequiredNodeAffinity
from controllers.scheduler.plugins.tolerations import all_tolerated

DO_NOT_SCHEDULE, SCHEDULE_ANYWAY = "DoNotSchedule", "ScheduleAnyway"

SYSTEM_DEFAULTS: tuple[Mapping[str, Any], ...] = (
    {"topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": SCHEDULE_ANYWAY, "maxSkew": 3},
    {"topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": SCHEDULE_ANYWAY, "maxSkew": 5},
)

_OWNERS: Mapping[tuple[str, str], GroupVersionResource] = {
    ("apps/v1", "ReplicaSet"): kinds.REPLICA_SETS,
    ("apps/v1", "StatefulSet"): kinds.STATEFUL_SETS,
}


class Constraint(NamedTuple):
    """One constraint; `honor_*`: nodes the pod could not go to anyway do not count."""

    max_skew: int
    topology_key: str
    selector: labels.Selector
    min_domains: int = 1
    honor_affinity: bool = True
    honor_taints: bool = False

    def counts_node(self, pod: PodInfo, node: NodeInfo, required: RequiredNodeAffinity) -> bool:
        if self.honor_affinity and not required.matches(node.name, node.labels):
            return False
        if not self.honor_taints or not node.taints:
            return True
        return all_tolerated(pod.pod["spec"].get("tolerations") or (), node.taints)


def parsed(given: Iterable[Mapping[str, Any]], pod_labels: Mapping[str, str], action: str) -> list[Constraint]:
    """The constraints with this action. Raises SelectorError."""
    found: list[Constraint] = []
    for constraint in given:
        if constraint.get("whenUnsatisfiable") != action:
            continue
        selector = labels.from_label_selector(constraint.get("labelSelector"))
        keys = [key for key in constraint.get("matchLabelKeys") or () if key in pod_labels]
        if keys and selector is not _NOTHING:
            equal = [labels.Requirement(key, labels.IN, (pod_labels[key],)) for key in keys]
            selector = labels.Selector([*equal, *selector.requirements])
        found.append(
            Constraint(
                constraint["maxSkew"],
                constraint["topologyKey"],
                selector,
                constraint.get("minDomains") or 1,
                (constraint.get("nodeAffinityPolicy") or "Honor") == "Honor",
                constraint.get("nodeTaintsPolicy") == "Honor",
            )
        )
    return found


_NOTHING = labels.from_label_selector(None)


def has_all_keys(node_labels: Mapping[str, str], constraints: Sequence[Constraint]) -> bool:
    return all(constraint.topology_key in node_labels for constraint in constraints)


class Matching:
    """Counts the pods of a namespace that a selector selects on a node; those on their way out do not count."""

    def __init__(self, selector: labels.Selector, namespace: str) -> None:
        self._selector = selector
        self._namespace = namespace
        self._question = number_of(("spread", namespace, selector))

    def on(self, node: NodeInfo) -> int:
        return node.remember(self._question, self._count)

    def _count(self, node: NodeInfo) -> int:
        if self._selector.empty:
            return 0
        return sum(
            pod.namespace == self._namespace
            and self._selector.matches(pod.labels)
            and not pod.pod["metadata"].get("deletionTimestamp")
            for pod in node.pods.values()
        )


def default_selector(pod: Object, listers: Listers) -> labels.Selector:
    """What selects the pod's peers; empty where nothing does."""
    meta = pod["metadata"]
    namespace, pod_labels = meta.get("namespace") or "", meta.get("labels") or {}
    merged: dict[str, str] = {}
    for service in listers.list(kinds.SERVICES, namespace):
        selects = service["spec"].get("selector")
        if selects and all(pod_labels.get(key) == value for key, value in selects.items()):
            merged |= selects
    owner = controller_of(pod)
    if owner is None:
        return labels.from_set(merged)
    if owner["kind"] == "ReplicationController" and owner["apiVersion"] == "v1":
        found = listers.get(kinds.REPLICATION_CONTROLLERS, namespace, owner["name"])
        return labels.from_set(merged | ((found or {}).get("spec", {}).get("selector") or {}))
    gvr = _OWNERS.get((owner["apiVersion"], owner["kind"]))
    found = listers.get(gvr, namespace, owner["name"]) if gvr is not None else None
    if found is None:
        return labels.from_set(merged)
    selects = labels.from_label_selector(found["spec"].get("selector"))
    return labels.Selector([*labels.from_set(merged).requirements, *selects.requirements])
