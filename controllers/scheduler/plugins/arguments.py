"""Arguments of upstream's plugins, checked: each plugin has one of these as its `argument_errors`.

Mirrors upstream apis/config/validation/validation_pluginargs.go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from apiserver.apimachinery.labels import SelectorError
from controllers.scheduler.plugins.node_selectors import NodeSelector, PreferredTerms

Args = Mapping[str, Any]
_HEAD = frozenset(("apiVersion", "kind"))
_SHAPE_MOST = 10  # upstream MaxCustomPriorityScore


Check = Callable[[Args, str], Iterator[str]]


def checked(fields: Sequence[str], check: Check | None = None) -> Check:
    """A plugin's `argument_errors(args, path)`: what is wrong, each fault with its path. Other fields are unknown."""

    def argument_errors(args: Args, path: str) -> Iterator[str]:
        for name in args:
            if name not in fields and name not in _HEAD:
                yield f'unknown field "{path}.{name}"'
        if check is not None:
            yield from check(args, path)

    return argument_errors


def _preemption(args: Args, path: str) -> Iterator[str]:
    percentage, absolute = args.get("minCandidateNodesPercentage", 10), args.get("minCandidateNodesAbsolute", 100)
    if not 0 <= percentage <= 100:
        yield f"{path}.minCandidateNodesPercentage: Invalid value: {percentage}: not in valid range [0, 100]"
    if absolute < 0:
        yield f"{path}.minCandidateNodesAbsolute: Invalid value: {absolute}: not in valid range [0, inf)"
    if percentage == 0 and absolute == 0:
        one, other = f"{path}.minCandidateNodesPercentage", f"{path}.minCandidateNodesAbsolute"
        yield f"{one}: Invalid value: 0: cannot be zero at the same time as minCandidateNodesAbsolute"
        yield f"{other}: Invalid value: 0: cannot be zero at the same time as minCandidateNodesPercentage"


def _inter_pod_affinity(args: Args, path: str) -> Iterator[str]:
    weight = args.get("hardPodAffinityWeight", 1)
    if not 0 <= weight <= 100:
        yield f"{path}.hardPodAffinityWeight: Invalid value: {weight}: not in valid range [0, 100]"


def _node_affinity(args: Args, path: str) -> Iterator[str]:
    added = args.get("addedAffinity") or {}
    try:
        NodeSelector(added.get("requiredDuringSchedulingIgnoredDuringExecution") or {}, strict=True)
        PreferredTerms(added.get("preferredDuringSchedulingIgnoredDuringExecution") or ())
    except SelectorError as error:
        yield f"{path}.addedAffinity: Invalid value: {error}"


def _fit(args: Args, path: str) -> Iterator[str]:
    for i, group in enumerate(args.get("ignoredResourceGroups") or ()):
        if "/" in group:
            where = f"{path}.ignoredResourceGroups[{i}]"
            yield f"{where}: Invalid value: \"{group}\": resource group name can't contain '/'"
    strategy = args.get("scoringStrategy")
    if strategy is None:
        return
    kinds = ("LeastAllocated", "MostAllocated", "RequestedToCapacityRatio")
    kind, where = strategy.get("type") or "", f"{path}.scoringStrategy"
    if kind not in kinds:
        quoted = ", ".join(f'"{k}"' for k in kinds)
        yield f'{where}.type: Unsupported value: "{kind}": supported values: {quoted}'
    for i, resource in enumerate(strategy.get("resources") or ()):
        weight = resource.get("weight") or 1
        if not 0 < weight <= 100:
            reason = f"resource weight of {resource.get('name')} not in valid range (0, 100]"
            yield f"{where}.resources[{i}].weight: Invalid value: {weight}: {reason}"
    ratio, at = strategy.get("requestedToCapacityRatio"), f"{where}.requestedToCapacityRatio"
    if kind == "RequestedToCapacityRatio":
        if ratio is None:
            yield f"{at}: Required value: must be specified when type is RequestedToCapacityRatio"
        else:
            yield from _shape(ratio.get("shape") or (), f"{at}.shape")
    elif ratio is not None:
        yield f"{at}: Forbidden: must be nil when type is not RequestedToCapacityRatio"


def _shape(shape: Sequence[Args], path: str) -> Iterator[str]:
    if not shape:
        yield f"{path}: Required value: at least one point must be specified"
    previous = -1
    for i, point in enumerate(shape):
        utilization, score = point.get("utilization", 0), point.get("score", 0)
        if i and utilization <= previous:
            reason = "values must be sorted in increasing order"
            yield f"{path}[{i}].utilization: Invalid value: {utilization}: {reason}"
        previous = utilization
        if not 0 <= utilization <= 100:
            yield f"{path}[{i}].utilization: Invalid value: {utilization}: not in valid range [0, 100]"
        if not 0 <= score <= _SHAPE_MOST:
            yield f"{path}[{i}].score: Invalid value: {score}: not in valid range [0, {_SHAPE_MOST}]"


def _balanced(args: Args, path: str) -> Iterator[str]:
    seen: dict[str, None] = {}
    for i, resource in enumerate(args.get("resources") or ()):
        where, name = f"{path}.resources[{i}]", resource.get("name")
        if name in seen:
            yield f'{where}.name: Duplicate value: "{name}"'
        seen[name] = None
        if (resource.get("weight") or 1) != 1:
            yield f"{where}.weight: Invalid value: {resource['weight']}: must be 1"


def _spread(args: Args, path: str) -> Iterator[str]:
    kind, constraints = args.get("defaultingType") or "System", args.get("defaultConstraints") or ()
    if kind not in ("System", "List"):
        yield f'{path}.defaultingType: Unsupported value: "{kind}": supported values: "List", "System"'
    elif kind == "System" and constraints:
        yield f'{path}.defaultingType: Invalid value: "System": when .defaultConstraints are not empty'
    seen: dict[tuple[str, str], None] = {}
    for i, constraint in enumerate(constraints):
        where = f"{path}.defaultConstraints[{i}]"
        yield from _constraint(constraint, where)
        key = (constraint.get("topologyKey") or "", constraint.get("whenUnsatisfiable") or "")
        if key in seen:
            yield f'{where}: Duplicate value: "{{{key[0]}, {key[1]}}}"'
        seen[key] = None


def _constraint(constraint: Args, path: str) -> Iterator[str]:
    skew, action = constraint.get("maxSkew", 0), constraint.get("whenUnsatisfiable") or ""
    if skew <= 0:
        yield f"{path}.maxSkew: Invalid value: {skew}: not in valid range (0, inf)"
    if not constraint.get("topologyKey"):
        yield f"{path}.topologyKey: Required value: can not be empty"
    if not action:
        yield f"{path}.whenUnsatisfiable: Required value: can not be empty"
    elif action not in ("DoNotSchedule", "ScheduleAnyway"):
        supported = '"DoNotSchedule", "ScheduleAnyway"'
        yield f'{path}.whenUnsatisfiable: Unsupported value: "{action}": supported values: {supported}'
    if constraint.get("labelSelector") is not None:
        yield f"{path}.labelSelector: Forbidden: constraint must not define a selector, as they deduced for each pod"


def _volume_binding(args: Args, path: str) -> Iterator[str]:
    seconds = args.get("bindTimeoutSeconds", 600)
    if seconds < 0:
        reason = "invalid BindTimeoutSeconds, should not be a negative value"
        yield f"{path}.bindTimeoutSeconds: Invalid value: {seconds}: {reason}"
    if args.get("shape"):
        yield from _shape(args["shape"], f"{path}.shape")


PREEMPTION = checked(("minCandidateNodesPercentage", "minCandidateNodesAbsolute"), _preemption)
INTER_POD_AFFINITY = checked(("hardPodAffinityWeight", "ignorePreferredTermsOfExistingPods"), _inter_pod_affinity)
NODE_AFFINITY = checked(("addedAffinity",), _node_affinity)
FIT = checked(("ignoredResources", "ignoredResourceGroups", "scoringStrategy"), _fit)
BALANCED = checked(("resources",), _balanced)
SPREAD = checked(("defaultConstraints", "defaultingType"), _spread)
VOLUME_BINDING = checked(("bindTimeoutSeconds", "shape"), _volume_binding)
DYNAMIC_RESOURCES = checked(("filterTimeout", "bindingTimeout"))
