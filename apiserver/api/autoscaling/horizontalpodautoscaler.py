"""HorizontalPodAutoscaler: how many replicas something scalable has, by what is measured. Served as v2 and v1."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apiserver.api.autoscaling.conversion import DEFAULT_CPU, convert, cpu_metric
from apiserver.api.autoscaling.metrics import behavior_errors, metrics_errors, reference_errors, targets_cell
from apiserver.api.columns import AGE, NAME
from apiserver.api.strategy import KindStatusStrategy, KindStrategy, metadata_update_errors
from apiserver.apimachinery.errors import FieldError, invalid, required
from apiserver.apimachinery.object_meta import NOT_NEGATIVE
from apiserver.apimachinery.objects import Object, copy, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource

SCALE_UP: Object = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
SCALE_DOWN: Object = {
    "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}


class AutoscalerStrategy(KindStrategy):
    """Mirrors upstream registry/autoscaling/horizontalpodautoscaler and the defaults of v2."""

    has_status = True
    has_generation = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        if spec.get("minReplicas") is None:
            spec["minReplicas"] = 1
        if not spec.get("metrics"):
            spec["metrics"] = [cpu_metric(DEFAULT_CPU)]
        if spec.get("behavior") is not None:
            for side, rules in (("scaleUp", SCALE_UP), ("scaleDown", SCALE_DOWN)):
                given = spec["behavior"].get(side) or {}
                chosen = {k: v for k, v in given.items() if v is not None}
                spec["behavior"][side] = {**copy(rules), **chosen}
        status = obj.setdefault("status", {})
        status.setdefault("desiredReplicas", 0)
        status.setdefault("currentMetrics", None)

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        super().prepare_for_create(ctx, obj)
        obj["status"] = {"desiredReplicas": 0, "currentMetrics": None}

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        yield from self._spec_errors(obj, None)
        yield from _declared_errors(obj, None)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[FieldError]:
        yield from metadata_update_errors(obj, old)
        yield from self._spec_errors(obj, old)
        yield from _declared_errors(obj, old)

    @staticmethod
    def _spec_errors(obj: Object, old: Object | None) -> Iterator[FieldError]:
        spec = obj.get("spec") or {}
        low, high = spec.get("minReplicas"), spec.get("maxReplicas") or 0
        if low is not None and high < low:
            yield invalid("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`")
        yield from _scale_target_errors(obj, old)
        yield from metrics_errors(spec.get("metrics") or [], "spec.metrics", low)
        yield from behavior_errors(spec.get("behavior"), "spec.behavior")


def _declared_errors(obj: Object, old: Object | None) -> Iterator[FieldError]:
    """Bounds that upstream declares at the type: told last, and not of what an update leaves alone.

    Zero is a number of replicas to scale down to (gate HPAScaleToZero, on).
    """
    low, high = get(obj, "spec", "minReplicas"), get(obj, "spec", "maxReplicas", default=0)
    if low is not None and low < 0 and (old is None or low != get(old, "spec", "minReplicas")):
        yield invalid("spec.minReplicas", low, "must be greater than or equal to 0")
    if high > 0 or (old is not None and high == get(old, "spec", "maxReplicas", default=0)):
        return
    if high == 0:
        yield required("spec.maxReplicas")
    else:
        yield invalid("spec.maxReplicas", high, "must be greater than or equal to 1")


def _scale_target_errors(obj: Object, old: Object | None) -> Iterator[FieldError]:
    """The core group is meant only with the one kind in it that scales; what an update leaves alone is not asked again."""
    target: Object = get(obj, "spec", "scaleTargetRef", default={})
    before: Object | None = get(old, "spec", "scaleTargetRef") if old is not None else None
    unchanged = before is not None and all(target.get(key) == before.get(key) for key in ("apiVersion", "kind"))
    yield from reference_errors(
        target,
        "spec.scaleTargetRef",
        group_needed=target.get("kind") != "ReplicationController",
        version_checked=not unchanged,
    )


class AutoscalerStatusStrategy(KindStatusStrategy):
    """`/status`: what the controller writes."""

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        for i, condition in enumerate(get(obj, "status", "conditions") or ()):
            if (condition.get("observedGeneration") or 0) < 0:
                path = f"status.conditions[{i}].observedGeneration"
                yield invalid(path, condition["observedGeneration"], NOT_NEGATIVE)
        for field in ("currentReplicas", "desiredReplicas"):
            if (count := get(obj, "status", field, default=0)) < 0:
                yield invalid(f"status.{field}", count, NOT_NEGATIVE)


def _reference_cell(obj: Object, now: float) -> str:
    reference = get(obj, "spec", "scaleTargetRef", default={})
    return f"{reference.get('kind', '')}/{reference.get('name', '')}"


def _min_cell(obj: Object, now: float) -> str:
    low = get(obj, "spec", "minReplicas")
    return "<unset>" if low is None else str(low)


STRATEGY = AutoscalerStrategy()
RESOURCE = Resource(
    group="autoscaling",
    plural="horizontalpodautoscalers",
    kind="HorizontalPodAutoscaler",
    versions=(ServedVersion("v2"), ServedVersion("v1")),
    storage_version="v2",
    convert=convert,
    short_names=("hpa",),
    categories=("all",),
    strategy=STRATEGY,
    subresources=(Subresource(name="status", strategy=AutoscalerStatusStrategy(STRATEGY)),),
    empty={
        "spec": {"scaleTargetRef": {"kind": "", "name": ""}, "maxReplicas": 0},
        "status": {"desiredReplicas": 0, "currentMetrics": None},
    },
    columns=(
        NAME,
        Column(
            "Reference",
            _reference_cell,
            description="scaleTargetRef points to the target resource to scale, and is used to the pods for which metrics "
            "should be collected, as well as to actually change the replica count.",
        ),
        Column(
            "Targets",
            lambda obj, now: targets_cell(obj),
            description="metrics contains the specifications for which to use to calculate the desired replica count (the "
            "maximum replica count across all metrics will be used).  The desired replica count is calculated multiplying the "
            "ratio between the target value and the current value by the current number of pods.  Ergo, metrics used must "
            "decrease as the pod count is increased, and vice-versa.  See the individual metric source types for more "
            "information about how each type of metric must respond. If not set, the default metric will be set to 80% "
            "average CPU utilization.",
        ),
        Column(
            "MinPods",
            _min_cell,
            description="minReplicas is the lower limit for the number of replicas to which the autoscaler can scale down.  It "
            "defaults to 1 pod.  minReplicas is allowed to be 0 if the alpha feature gate HPAScaleToZero is enabled and at "
            "least one Object or External metric is configured.  Scaling is active as long as at least one metric value is "
            "available.",
        ),
        Column(
            "MaxPods",
            lambda obj, now: get(obj, "spec", "maxReplicas", default=0),
            description="maxReplicas is the upper limit for the number of replicas to which the autoscaler can scale up. It "
            "cannot be less that minReplicas.",
        ),
        Column(
            "Replicas",
            lambda obj, now: get(obj, "status", "currentReplicas", default=0),
            description="currentReplicas is current number of replicas of pods managed by this autoscaler, as last seen by the "
            "autoscaler.",
        ),
        AGE,
    ),
)
