"""Where daemon pods may run: node name, required node affinity, taints (upstream nodeShouldRunDaemonPod)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from apiserver.apimachinery import labels, objects
from apiserver.apimachinery.objects import Object
from controllers.framework.nodes import taints_of, tolerates

NODE_NAME = "metadata.name"
_OPERATORS = {
    "In": labels.IN,
    "NotIn": labels.NOT_IN,
    "Exists": labels.EXISTS,
    "DoesNotExist": labels.DOES_NOT_EXIST,
    "Gt": labels.GREATER,
    "Lt": labels.LESS,
}
# Daemon pods stay on nodes in trouble: (key, effect) of what each tolerates.
TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
TOLERATED_ON_HOST_NETWORK = ("node.kubernetes.io/network-unavailable", "NoSchedule")


class Placement(NamedTuple):
    """May a pod be started on the node; may one that is there go on?"""

    run: bool
    stay: bool


def tolerations_of(template: Object) -> list[dict[str, Any]]:
    """The template's tolerations with those every daemon pod gets."""
    spec = template.get("spec") or {}
    found: list[dict[str, Any]] = [dict(t) for t in spec.get("tolerations") or ()]
    for key, effect in (*TOLERATED, *((TOLERATED_ON_HOST_NETWORK,) if spec.get("hostNetwork") else ())):
        ours = {"key": key, "operator": "Exists", "effect": effect}
        same = [i for i, t in enumerate(found) if _identity(t) == _identity(ours)]
        if not same:
            found.append(ours)
        for i in same:
            found[i] = ours
    return found


def _identity(toleration: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes two tolerations the same one (upstream MatchToleration): not their seconds."""
    return tuple(toleration.get(field) or "" for field in ("key", "operator", "effect", "value"))


class Placements:
    """The rules of one template, read once for all nodes."""

    def __init__(self, template: Object) -> None:
        spec = template.get("spec") or {}
        self._node_name: str = spec.get("nodeName") or ""
        self._tolerations = tolerations_of(template)
        self._node_selector: dict[str, str] = spec.get("nodeSelector") or {}
        affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
        required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
        self._terms = None if required is None else [_term(t) for t in required.get("nodeSelectorTerms") or ()]

    def on(self, node: Object) -> Placement:
        if self._node_name not in ("", node["metadata"]["name"]) or not self._fits(node):
            return Placement(run=False, stay=False)
        untolerated = {t["effect"] for t in taints_of(node) if not self._tolerates(t)}
        stay = "NoExecute" not in untolerated
        return Placement(run=stay and "NoSchedule" not in untolerated, stay=stay)

    def _fits(self, node: Object) -> bool:
        has = objects.labels_of(node)
        if any(has.get(key) != value for key, value in self._node_selector.items()):
            return False
        return self._terms is None or any(term is not None and term.matches(node) for term in self._terms)

    def _tolerates(self, taint: dict[str, Any]) -> bool:
        return any(tolerates(toleration, taint) for toleration in self._tolerations)


class _Term(NamedTuple):
    """Conditions on the node's labels, and on its name."""

    labels: labels.Selector
    names: tuple[tuple[str, bool], ...]

    def matches(self, node: Object) -> bool:
        name = node["metadata"]["name"]
        return self.labels.matches(objects.labels_of(node)) and all((name == n) == equal for n, equal in self.names)


def _term(term: Mapping[str, Any]) -> _Term | None:
    """None for a term that is empty or cannot be read: it matches nothing."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return None
    try:
        found = [labels.requirement(e["key"], _OPERATORS[e["operator"]], e.get("values") or ()) for e in expressions]
    except (labels.SelectorError, KeyError):
        return None
    if any(f["operator"] not in ("In", "NotIn") or len(f.get("values") or ()) != 1 for f in fields):
        return None
    return _Term(labels.Selector(found), tuple((f["values"][0], f["operator"] == "In") for f in fields))


def target_node(pod: Object) -> str:
    """The node a daemon pod is on, or is made for; empty when it does not say."""
    spec = pod["spec"]
    if spec.get("nodeName"):
        return str(spec["nodeName"])
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field["key"] == NODE_NAME and field["operator"] == "In":
                return field["values"][0] if len(field["values"]) == 1 else ""
    return ""


def affinity_to(affinity: Mapping[str, Any] | None, node: str) -> dict[str, Any]:
    """The affinity with its required terms replaced by the one node (ReplaceDaemonSetPodNodeNameNodeAffinity)."""
    term = {"matchFields": [{"key": NODE_NAME, "operator": "In", "values": [node]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    given = affinity or {}
    return {**given, "nodeAffinity": {**(given.get("nodeAffinity") or {}), **required}}
