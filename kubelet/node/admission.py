"""Whether a pod may run on this node: what the scheduler promised, looked at once more (upstream lifecycle/predicate.go)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from apiserver.apimachinery.labels import Requirement
from apiserver.apimachinery.objects import Object, labels_of
from kubelet.node import facts
from kubelet.node.identity import OS
from kubelet.node.resources import Amounts, amounts, requests_of, total_requests

OS_LABEL = "kubernetes.io/os"
OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!", "Gt": "gt", "Lt": "lt"}
STANDARD = ("cpu", "memory", "ephemeral-storage")


class Rejection(NamedTuple):
    reason: str
    message: str


def admit(pod: Object, node: Object | None, others: Sequence[Object]) -> Rejection | None:
    """`others` are the pods that have been admitted and are alive. None: the pod may run."""
    if node is None:
        return Rejection("InvalidNodeInfo", "Kubelet cannot get node info.")
    if labels_of(pod).get(OS_LABEL, OS) != OS:
        why = "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"
        return Rejection("PodOSSelectorNodeLabelDoesNotMatch", why)
    if (pod["spec"].get("os") or {}).get("name", OS) != OS:
        return Rejection("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    return (
        _fits(pod, node, others)
        or _affinity(pod, node)
        or _name(pod, node)
        or _ports(pod, others)
        or _taints(pod, node)
    )


def _predicate(name: str, why: str) -> Rejection:
    return Rejection(name, f"Predicate {name} failed: {why}")


def _fits(pod: Object, node: Object, others: Sequence[Object]) -> Rejection | None:
    """Resources, the number of pods first."""
    allocatable = amounts((node.get("status") or {}).get("allocatable"))
    if "pods" in allocatable and len(others) + 1 > allocatable["pods"].value:
        return _short("pods", 1, len(others), allocatable["pods"].value)
    asked = requests_of(pod)
    if not any(asked.values()):
        return None
    used = total_requests(others)
    rest = [name for name in asked if name not in STANDARD]
    for name in (*STANDARD, *rest):
        if name not in asked or not asked[name] or (name in rest and name not in allocatable):
            continue
        want, have, most = (_amount(name, found) for found in (asked, used, allocatable))
        if want > most - have:
            return _short(name, want, have, most)
    return None


def _amount(name: str, found: Amounts) -> int:
    if name not in found:
        return 0
    return found[name].milli_value if name == "cpu" else found[name].value


def _short(name: str, want: int, have: int, most: int) -> Rejection:
    message = f"Node didn't have enough resource: {name}, requested: {want}, used: {have}, capacity: {most}"
    return Rejection(f"OutOf{name}", message)


def _affinity(pod: Object, node: Object) -> Rejection | None:
    labels, spec = labels_of(node), pod["spec"]
    chosen = all(labels.get(key) == value for key, value in (spec.get("nodeSelector") or {}).items())
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if chosen and (required is None or any(_term(term, node) for term in required.get("nodeSelectorTerms") or ())):
        return None
    return _predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector")


def _term(term: dict[str, Any], node: Object) -> bool:
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    of_fields = {"metadata.name": node["metadata"]["name"]}
    return all(_holds(each, labels_of(node)) for each in expressions) and all(
        _holds(each, of_fields) for each in fields
    )


def _holds(expression: dict[str, Any], values: dict[str, str]) -> bool:
    operator = OPERATORS.get(expression["operator"], expression["operator"])
    return Requirement(expression["key"], operator, tuple(expression.get("values") or ())).matches(values)


def _name(pod: Object, node: Object) -> Rejection | None:
    if pod["spec"].get("nodeName") in (None, "", node["metadata"]["name"]):
        return None
    return _predicate("NodeName", "node(s) didn't match the requested node name")


HostPort = tuple[str, str, int]  # protocol, address, port


def _host_ports(pod: Object) -> list[HostPort]:
    sidecars = [each for each in facts.init_containers(pod) if facts.is_sidecar(each)]
    return [
        (port.get("protocol") or "TCP", port.get("hostIP") or "0.0.0.0", port["hostPort"])
        for container in (*facts.containers(pod), *sidecars)
        for port in container.get("ports") or ()
        if port.get("hostPort")
    ]


def _ports(pod: Object, others: Sequence[Object]) -> Rejection | None:
    wanted = _host_ports(pod)
    if not wanted:
        return None
    taken = [port for other in others for port in _host_ports(other)]
    for protocol, address, port in wanted:
        for other_protocol, other_address, other_port in taken:
            same = "0.0.0.0" in (address, other_address) or address == other_address
            if same and (protocol, port) == (other_protocol, other_port):
                return _predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports")
    return None


def _taints(pod: Object, node: Object) -> Rejection | None:
    if facts.is_static(pod):
        return None
    tolerations = pod["spec"].get("tolerations") or ()
    for taint in node["spec"].get("taints") or ():
        if taint.get("effect") == "NoExecute" and not any(_tolerates(each, taint) for each in tolerations):
            return _predicate("TaintToleration", "node(s) had taints that the pod didn't tolerate")
    return None


def _tolerates(toleration: dict[str, Any], taint: dict[str, Any]) -> bool:
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    if toleration.get("key") not in (None, "", taint["key"]):
        return False
    operator = toleration.get("operator") or "Equal"
    if operator in ("Lt", "Gt"):
        return _compares(operator, taint.get("value") or "", toleration.get("value") or "")
    return operator == "Exists" or (toleration.get("value") or "") == (taint.get("value") or "")


def _compares(operator: str, value: str, limit: str) -> bool:
    try:
        return int(value) < int(limit) if operator == "Lt" else int(value) > int(limit)
    except ValueError:
        return False
