"""PodDisruptionBudget: how many pods of an application may be missing because somebody wants them gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from apiserver.api.columns import AGE, NAME
from apiserver.api.strategy import KindStatusStrategy, KindStrategy
from apiserver.api.validation.conditions import conditions_errors
from apiserver.api.validation.int_or_percent import int_or_percent_errors, over_100_percent_errors
from apiserver.api.validation.internal import internal
from apiserver.api.validation.label_selectors import label_selector_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, invalid, not_supported
from apiserver.apimachinery.object_meta import non_negative, object_meta_errors
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource

EVICTION_POLICIES = ("AlwaysAllow", "IfHealthyBudget")
COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
# What v1beta1 selectors became when they were read as v1; never to be mixed with a user's own terms.
V1BETA1_LABEL = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match"
MATCH_NONE: Object = {"matchExpressions": [{"key": V1BETA1_LABEL, "operator": "Exists"}]}


def _no_status() -> Object:
    return dict.fromkeys(COUNTS, 0)


class BudgetStrategy(KindStrategy):
    """Mirrors upstream registry/policy/poddisruptionbudget and its validation."""

    allow_unconditional_update = False
    has_status = True
    has_generation = True

    def default(self, obj: Object) -> None:
        obj.setdefault("spec", {})
        status = obj.get("status") or {}
        obj["status"] = {**status, **{field: status.get(field) or 0 for field in COUNTS}}

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        super().prepare_for_create(ctx, obj)
        obj["status"] = _no_status()
        _strip_old_label(obj.get("spec") or {}, None)

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        super().prepare_for_update(ctx, obj, old)
        _strip_old_label(obj.get("spec") or {}, old.get("spec") or {})

    def metadata_errors(self, obj: Object) -> Iterator[FieldError]:
        """Upstream never asks for more than what can stand in a path."""
        return object_meta_errors(obj["metadata"], self.namespaced, formats.path_segment_name)

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        return _spec_errors(obj.get("spec") or {})

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        had_bad_values = any(label_selector_errors(get(old, "spec", "selector"), ""))
        return _spec_errors(obj.get("spec") or {}, any_values=had_bad_values)


def _strip_old_label(spec: Object, old: Object | None) -> None:
    selector = spec.get("selector")
    if not selector or selector == MATCH_NONE or (old is not None and old.get("selector") == selector):
        return
    expressions = selector.get("matchExpressions")
    if expressions and any(e.get("key") == V1BETA1_LABEL for e in expressions):
        kept = [e for e in expressions if e.get("key") != V1BETA1_LABEL]
        spec["selector"] = {k: v for k, v in selector.items() if k != "matchExpressions"}
        if kept:
            spec["selector"]["matchExpressions"] = kept


def _spec_errors(spec: Object, *, any_values: bool = False) -> Iterator[FieldError]:
    low, high = spec.get("minAvailable"), spec.get("maxUnavailable")
    if low is not None and high is not None:
        yield invalid(
            "spec", internal(spec, "PodDisruptionBudgetSpec"), "minAvailable and maxUnavailable cannot be both set"
        )
    for field, value in (("minAvailable", low), ("maxUnavailable", high)):
        if value is not None:
            yield from int_or_percent_errors(value, f"spec.{field}")
            yield from over_100_percent_errors(value, f"spec.{field}")
    yield from label_selector_errors(spec.get("selector"), "spec.selector", any_values=any_values)
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in EVICTION_POLICIES:
        yield not_supported("spec.unhealthyPodEvictionPolicy", policy, EVICTION_POLICIES)


class BudgetStatusStrategy(KindStatusStrategy):
    """`/status`: what the disruption controller counts."""

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[FieldError]:
        status = obj.get("status") or {}
        yield from conditions_errors(status.get("conditions") or (), "status.conditions")
        for field in COUNTS:
            yield from non_negative(status.get(field) or 0, f"status.{field}")


def _bound(field: str) -> Any:
    def cell(obj: Object, now: float) -> str:
        value = get(obj, "spec", field)
        return "N/A" if value is None else str(value)

    return cell


STRATEGY = BudgetStrategy()
RESOURCE = Resource(
    group="policy",
    plural="poddisruptionbudgets",
    kind="PodDisruptionBudget",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    short_names=("pdb",),
    strategy=STRATEGY,
    subresources=(Subresource(name="status", strategy=BudgetStatusStrategy(STRATEGY)),),
    empty={"spec": {}, "status": _no_status()},
    columns=(
        NAME,
        Column(
            "Min Available",
            _bound("minAvailable"),
            description="The minimum number of pods that must be available.",
        ),
        Column(
            "Max Unavailable",
            _bound("maxUnavailable"),
            description="The maximum number of pods that may be unavailable.",
        ),
        Column(
            "Allowed Disruptions",
            lambda obj, now: get(obj, "status", "disruptionsAllowed", default=0),
            type="integer",
            description="Calculated number of pods that may be disrupted at this time.",
        ),
        AGE,
    ),
)
