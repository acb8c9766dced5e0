"""What a namespace uses of a quota (upstream CalculateUsage): the resourcequota controller writes it down."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.quantity import Quantity
from apiserver.apimachinery.quota.amounts import ZERO, add_to, masked
from apiserver.apimachinery.quota.evaluators import Evaluator, evaluator_for, usage_of

List = Callable[[GroupResource], Iterable[Object]]  # the objects of a resource in the quota's namespace


def namespace_usage(spec: Object, resources: Iterable[GroupResource], listed: List, now: float) -> dict[str, Quantity]:
    """The amounts used of each name in the quota's `spec.hard` that one of the `resources` uses up.

    Only resources that the quota is about are listed. A name nothing measures is absent, as upstream leaves it.
    """
    hard = spec.get("hard") or {}
    total: dict[str, Quantity] = {}
    for evaluator in _evaluators(resources):
        names = evaluator.matching(hard)
        if names:
            add_to(total, dict.fromkeys(names, ZERO))
            add_to(total, usage_of(evaluator, listed(evaluator.resource), spec, now))
    used = masked(total, hard)
    return {name: used[name] for name in sorted(used)}


def interests(spec: Object, resource: GroupResource) -> bool:
    """Whether a change of objects of this resource can change what the quota shows."""
    evaluator = evaluator_for(resource)
    return evaluator is not None and bool(evaluator.matching(spec.get("hard") or ()))


def _evaluators(resources: Iterable[GroupResource]) -> Iterable[Evaluator]:
    for resource in resources:
        if (evaluator := evaluator_for(resource)) is not None:
            yield evaluator
