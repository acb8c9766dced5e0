"""Scopes: which pods, or claims, a quota counts (upstream pkg/apis/core/helper, pkg/quota/v1/evaluator/core)."""

from __future__ import annotations

from apiserver.apimachinery import labels, quantity
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.quota.names import POD_COMPUTE, POD_COUNT

TERMINATING, NOT_TERMINATING = "Terminating", "NotTerminating"
BEST_EFFORT, NOT_BEST_EFFORT = "BestEffort", "NotBestEffort"
PRIORITY_CLASS, CROSS_NAMESPACE = "PriorityClass", "CrossNamespacePodAffinity"
VOLUME_ATTRIBUTES_CLASS = "VolumeAttributesClass"

SIDES = ("requests", "limits")
EXISTS_ONLY = frozenset({BEST_EFFORT, NOT_BEST_EFFORT, TERMINATING, NOT_TERMINATING, CROSS_NAMESPACE})
STANDARD = EXISTS_ONLY | {PRIORITY_CLASS, VOLUME_ATTRIBUTES_CLASS}
_CLAIM_RESOURCES = frozenset({"persistentvolumeclaims", "requests.storage"})


def is_standard(scope: str) -> bool:
    return scope in STANDARD


def fits(scope: str, resource: str) -> bool:
    """Whether a scope says anything of a resource (upstream IsResourceQuotaScopeValidForResource)."""
    if scope == BEST_EFFORT:
        return resource == POD_COUNT
    if scope == VOLUME_ATTRIBUTES_CLASS:
        return resource in _CLAIM_RESOURCES
    if scope in STANDARD:
        return resource == POD_COUNT or resource in POD_COMPUTE
    return True


def requirements(spec: Object) -> list[Object]:
    """The scopes of a quota's spec as requirements, those of its selector behind them."""
    listed = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
    return [*listed, *((spec.get("scopeSelector") or {}).get("matchExpressions") or ())]


def pod_matches(requirement: Object, pod: Object) -> bool:
    scope, spec = requirement.get("scopeName") or "", pod.get("spec") or {}
    if scope == PRIORITY_CLASS:
        name = spec.get("priorityClassName")
        return _selects(requirement, [name] if name else [])
    check = _POD_CHECKS.get(scope)
    return check is not None and check(pod)


def claim_matches(requirement: Object, claim: Object) -> bool:
    if requirement.get("scopeName") != VOLUME_ATTRIBUTES_CLASS:
        return False
    return _selects(requirement, attributes_classes(claim))


def attributes_classes(claim: Object) -> list[str]:
    """The VolumeAttributesClasses a claim refers to: wished for, current, on their way."""
    status = claim.get("status") or {}
    names = (
        (claim.get("spec") or {}).get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName"),
    )
    return sorted({name for name in names if name})


def _selects(requirement: Object, names: list[str]) -> bool:
    if requirement.get("operator") == "Exists":
        return bool(names)
    key, operator = requirement.get("scopeName") or "", _OPERATORS.get(requirement.get("operator") or "")
    if operator is None:
        return False
    try:
        selector = labels.Selector((labels.requirement(key, operator, requirement.get("values") or ()),))
    except labels.SelectorError:
        return False
    return any(selector.matches({key: name}) for name in names) if names else selector.matches({})


_OPERATORS = {"In": "in", "NotIn": "notin", "DoesNotExist": "!"}


def is_terminating(pod: Object) -> bool:
    """Whether it ends by itself: there is a deadline."""
    deadline = (pod.get("spec") or {}).get("activeDeadlineSeconds")
    return deadline is not None and deadline >= 0


def _is_best_effort(pod: Object) -> bool:
    """Nothing is asked for of cpu and memory (upstream qos.GetPodQOS; what was computed before stands)."""
    known = (pod.get("status") or {}).get("qosClass")
    if known:
        return bool(known == BEST_EFFORT)
    spec = pod.get("spec") or {}
    holders = [spec, *(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    resources = [holder.get("resources") or {} for holder in holders]
    asked = [(each.get(side) or {}).get(name) for each in resources for side in SIDES for name in ("cpu", "memory")]
    return not any(amount is not None and quantity.parse(str(amount)) for amount in asked)


def _crosses_namespaces(pod: Object) -> bool:
    affinity = (pod.get("spec") or {}).get("affinity") or {}
    for side in ("podAffinity", "podAntiAffinity"):
        terms = list((affinity.get(side) or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        weighted = (affinity.get(side) or {}).get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [term.get("podAffinityTerm") or {} for term in weighted]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False


_POD_CHECKS = {
    TERMINATING: is_terminating,
    NOT_TERMINATING: lambda pod: not is_terminating(pod),
    BEST_EFFORT: _is_best_effort,
    NOT_BEST_EFFORT: lambda pod: not _is_best_effort(pod),
    CROSS_NAMESPACE: _crosses_namespaces,
}
