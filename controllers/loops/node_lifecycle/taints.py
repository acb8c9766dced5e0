"""A node's conditions as taints, and its labels of old: pure decisions."""

from __future__ import annotations

from apiserver.apimachinery import objects
from apiserver.apimachinery.objects import Object
from controllers.framework import nodes as node_facts

# condition type → its status → the taint that says the same (upstream nodeConditionToTaintKeyStatusMap)
TAINTS = {
    "Ready": {"False": node_facts.NOT_READY, "Unknown": node_facts.UNREACHABLE},
    "MemoryPressure": {"True": "node.kubernetes.io/memory-pressure"},
    "DiskPressure": {"True": "node.kubernetes.io/disk-pressure"},
    "NetworkUnavailable": {"True": "node.kubernetes.io/network-unavailable"},
    "PIDPressure": {"True": "node.kubernetes.io/pid-pressure"},
}
OURS = {key for keys in TAINTS.values() for key in keys.values()} | {node_facts.UNSCHEDULABLE}
NO_SCHEDULE = "NoSchedule"
LABELS_OF_OLD = {
    "kubernetes.io/os": "beta.kubernetes.io/os",
    "kubernetes.io/arch": "beta.kubernetes.io/arch",
}


def condition_taints(node: Object) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The NoSchedule taints to add and to remove."""
    wanted: dict[str, None] = {}
    for condition in (node.get("status") or {}).get("conditions") or ():
        key = TAINTS.get(condition["type"], {}).get(condition["status"])
        if key is not None:
            wanted[key] = None
    if (node.get("spec") or {}).get("unschedulable"):
        wanted[node_facts.UNSCHEDULABLE] = None
    current = dict.fromkeys(t["key"] for t in node_facts.taints_of(node) if t["effect"] == NO_SCHEDULE)
    add = [(key, NO_SCHEDULE) for key in wanted if key not in current]
    return add, [(key, NO_SCHEDULE) for key in current if key in OURS and key not in wanted]


def missing_labels(node: Object) -> dict[str, str]:
    """The beta labels that should follow the stable ones and do not."""
    labels = objects.labels_of(node)
    return {
        old: labels[stable]
        for stable, old in LABELS_OF_OLD.items()
        if stable in labels and labels.get(old) != labels[stable]
    }
