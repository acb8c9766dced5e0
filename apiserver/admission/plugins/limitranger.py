"""LimitRanger: a namespace's LimitRanges give containers their defaults and hold pods and claims to bounds.

Mirrors upstream plugin/pkg/admission/limitranger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from apiserver.admission import lookups
from apiserver.admission.interface import CREATE, UPDATE, AdmissionPlugin, Attributes
from apiserver.admission.plugins.limits import (
    Amounts,
    amounts,
    max_constraint,
    max_request_constraint,
    min_constraint,
    pod_amounts,
    ratio_constraint,
)
from apiserver.admission.pods import PODS, spec_of
from apiserver.admission.refusals import forbidden
from apiserver.apimachinery.errors import aggregate
from apiserver.apimachinery.gvk import GroupKind, GroupResource
from apiserver.apimachinery.objects import Object

LIMIT_RANGES = GroupResource("", "limitranges")
CLAIMS = GroupResource("", "persistentvolumeclaims")
POD, CLAIM = GroupKind("", "Pod"), GroupKind("", "PersistentVolumeClaim")
ANNOTATION = "kubernetes.io/limit-ranger"


class LimitRanger(AdmissionPlugin):
    name = "LimitRanger"
    operations = frozenset({CREATE, UPDATE})
    resources = frozenset({PODS, CLAIMS})

    async def admit(self, attributes: Attributes) -> None:
        for limit_range in self._limit_ranges(attributes):
            if attributes.group_resource == PODS and attributes.obj is not None:
                _apply_defaults(attributes.obj, _items(limit_range))

    async def validate(self, attributes: Attributes) -> None:
        obj = attributes.obj
        if obj is None:
            return
        check = _pod_problems if attributes.group_resource == PODS else _claim_problems
        for limit_range in self._limit_ranges(attributes):
            found = list(check(obj, _items(limit_range)))
            if found:
                raise forbidden(attributes, aggregate(found))

    def _limit_ranges(self, attributes: Attributes) -> Sequence[Object]:
        if not _is_limited(attributes):
            return ()
        if attributes.old is not None and attributes.old["metadata"].get("deletionTimestamp"):
            return ()
        return lookups.listed(self.dependencies, LIMIT_RANGES, attributes.namespace)


def _is_limited(attributes: Attributes) -> bool:
    """Pods when they are made or resized, claims always."""
    kind = attributes.kind.group_kind
    if attributes.subresource == "resize" and kind == POD and attributes.operation == UPDATE:
        return True
    if attributes.subresource or (kind == POD and attributes.operation == UPDATE):
        return False
    return kind in (POD, CLAIM)


def _items(limit_range: Object) -> list[dict[str, Any]]:
    return (limit_range.get("spec") or {}).get("limits") or []


def _apply_defaults(pod: Object, items: list[dict[str, Any]]) -> None:
    requests: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    for item in items:
        if item.get("type") == "Container":
            requests.update(item.get("defaultRequest") or {})
            limits.update(item.get("default") or {})
    if not requests and not limits:
        return
    notes: list[str] = []
    for field, what in (("containers", "container"), ("initContainers", "init container")):
        for container in spec_of(pod).get(field) or ():
            _merge(container, "requests", requests, f"request for {what}", notes)
            _merge(container, "limits", limits, f"limit for {what}", notes)
    if notes:
        meta = pod["metadata"]
        meta["annotations"] = {
            **(meta.get("annotations") or {}),
            ANNOTATION: "LimitRanger plugin set: " + "; ".join(notes),
        }


def _merge(container: dict[str, Any], field: str, defaults: dict[str, Any], what: str, notes: list[str]) -> None:
    resources = container.get("resources") or {}
    present = resources.get(field) or {}
    missing = {name: amount for name, amount in defaults.items() if name not in present}
    if missing:
        container["resources"] = {**resources, field: {**present, **missing}}
        notes.append(f"{', '.join(sorted(missing))} {what} {container.get('name') or ''}")


def _pod_problems(pod: Object, items: list[dict[str, Any]]) -> Iterator[str]:
    spec = spec_of(pod)
    for item in items:
        kind = item.get("type") or ""
        if kind == "Container":
            for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
                resources = container.get("resources") or {}
                yield from _problems(item, amounts(resources.get("requests")), amounts(resources.get("limits")))
        elif kind == "Pod":
            yield from _problems(item, pod_amounts(spec, "requests"), pod_amounts(spec, "limits"))


_CHECKS: tuple[tuple[str, Callable[..., str]], ...] = (
    ("min", min_constraint),
    ("max", max_constraint),
    ("maxLimitRequestRatio", ratio_constraint),
)


def _problems(item: dict[str, Any], requests: Amounts, limits: Amounts) -> Iterator[str]:
    for field, check in _CHECKS:
        for name, enforced in sorted(amounts(item.get(field)).items()):
            if problem := check(item.get("type") or "", name, enforced, requests, limits):
                yield problem


def _claim_problems(claim: Object, items: list[dict[str, Any]]) -> Iterator[str]:
    """Only what a claim requests counts."""
    requests = amounts(((claim.get("spec") or {}).get("resources") or {}).get("requests"))
    for item in items:
        kind = item.get("type") or ""
        if kind != "PersistentVolumeClaim":
            continue
        for name, enforced in sorted(amounts(item.get("min")).items()):
            if problem := min_constraint(kind, name, enforced, requests, {}):
                yield problem
        for name, enforced in sorted(amounts(item.get("max")).items()):
            if problem := max_request_constraint(kind, name, enforced, requests):
                yield problem
