"""HorizontalPodAutoscalers in v1 and v2. What v1 has no fields for travels in annotations, as JSON in v1's old forms.

Mirrors upstream pkg/apis/autoscaling/v1/conversion.go: the annotations exist only on the wire of v1, never in storage.
"""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.api.validation.internal import label_selector
from apiserver.apimachinery.decoding.exact import DecodeError, Decoder, parse
from apiserver.apimachinery.decoding.types import struct_type
from apiserver.apimachinery.objects import Object, copy, get

V1, V2 = "autoscaling/v1", "autoscaling/v2"
METRICS = "autoscaling.alpha.kubernetes.io/metrics"
CURRENT_METRICS = "autoscaling.alpha.kubernetes.io/current-metrics"
CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"
CARRIED = (METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR)
_CONDITION = ("type", "status", "lastTransitionTime", "reason", "message", "observedGeneration")
DEFAULT_CPU = 80  # percent

Table = dict[str, tuple[tuple[str, tuple[str, ...]], ...]]
# v1's name of a source → (v1 field, path in v2) pairs, in the order Go writes them
_SPECS: Table = {
    "object": (
        ("target", ("describedObject",)),
        ("metricName", ("metric", "name")),
        ("targetValue", ("target", "value")),
        ("selector", ("metric", "selector")),
        ("averageValue", ("target", "averageValue")),
    ),
    "pods": (
        ("metricName", ("metric", "name")),
        ("targetAverageValue", ("target", "averageValue")),
        ("selector", ("metric", "selector")),
    ),
    "resource": (
        ("name", ("name",)),
        ("targetAverageUtilization", ("target", "averageUtilization")),
        ("targetAverageValue", ("target", "averageValue")),
    ),
    "containerResource": (
        ("name", ("name",)),
        ("targetAverageUtilization", ("target", "averageUtilization")),
        ("targetAverageValue", ("target", "averageValue")),
        ("container", ("container",)),
    ),
    "external": (
        ("metricName", ("metric", "name")),
        ("metricSelector", ("metric", "selector")),
        ("targetValue", ("target", "value")),
        ("targetAverageValue", ("target", "averageValue")),
    ),
}
_STATUSES: Table = {
    "object": (
        ("target", ("describedObject",)),
        ("metricName", ("metric", "name")),
        ("currentValue", ("current", "value")),
        ("selector", ("metric", "selector")),
        ("averageValue", ("current", "averageValue")),
    ),
    "pods": (
        ("metricName", ("metric", "name")),
        ("currentAverageValue", ("current", "averageValue")),
        ("selector", ("metric", "selector")),
    ),
    "resource": (
        ("name", ("name",)),
        ("currentAverageUtilization", ("current", "averageUtilization")),
        ("currentAverageValue", ("current", "averageValue")),
    ),
    "containerResource": (
        ("name", ("name",)),
        ("currentAverageUtilization", ("current", "averageUtilization")),
        ("currentAverageValue", ("current", "averageValue")),
        ("container", ("container",)),
    ),
    "external": (
        ("metricName", ("metric", "name")),
        ("metricSelector", ("metric", "selector")),
        ("currentValue", ("current", "value")),
        ("currentAverageValue", ("current", "averageValue")),
    ),
}
# Quantities that Go writes even when they are zero: no pointers in the v1 types.
_ALWAYS = {
    ("object", "targetValue"),
    ("object", "currentValue"),
    ("pods", "targetAverageValue"),
    ("pods", "currentAverageValue"),
    ("resource", "currentAverageValue"),
    ("containerResource", "currentAverageValue"),
    ("external", "currentValue"),
}


_NAMES = {"target", "metricName", "name", "container"}


def convert(obj: Object, api_version: str) -> Object:
    """The autoscaler in another version; itself where it is in that version already."""
    if obj.get("apiVersion") == api_version:
        return obj
    made = copy(obj)
    made["apiVersion"] = api_version
    (_to_v1 if api_version == V1 else _to_v2)(made)
    return made  # type: ignore[no-any-return]


def is_cpu_utilization(metric: Object) -> bool:
    return (
        metric.get("type") == "Resource"
        and get(metric, "resource", "name") == "cpu"
        and get(metric, "resource", "target", "averageUtilization") is not None
    )


def _section(obj: Object, name: str) -> Object:
    """`spec` or `status`, made where it is absent or null: apply converts objects from which parts were taken."""
    if obj.get(name) is None:
        obj[name] = {}
    return obj[name]  # type: ignore[no-any-return]


def _to_v1(obj: Object) -> None:
    spec, status = _section(obj, "spec"), _section(obj, "status")
    metrics = [metric or {} for metric in spec.pop("metrics", None) or ()]  # null is an empty one, to Go
    cpu = next((m for m in metrics if is_cpu_utilization(m)), None)
    if cpu is not None:
        spec["targetCPUUtilizationPercentage"] = cpu["resource"]["target"]["averageUtilization"]
    others = [_old_form(m, _SPECS) for m in metrics if not is_cpu_utilization(m)]
    current = [metric or {} for metric in status.pop("currentMetrics", None) or ()]
    usage = next((m for m in current if _cpu_usage(m) is not None), None)
    if usage is not None:
        status["currentCPUUtilizationPercentage"] = _cpu_usage(usage)
    conditions, behavior = status.pop("conditions", None), spec.pop("behavior", None)
    status.setdefault("currentReplicas", 0)
    _carry(obj, METRICS, others)
    _carry(obj, BEHAVIOR, _internal_behavior(behavior) if behavior is not None else None)
    _carry(obj, CURRENT_METRICS, [_old_form(m, _STATUSES) for m in current])
    _carry(obj, CONDITIONS, [{k: c[k] for k in _CONDITION if k in c} for c in conditions or ()])


def _cpu_usage(metric: Object) -> int | None:
    if metric.get("type") != "Resource" or get(metric, "resource", "name") != "cpu":
        return None
    return get(metric, "resource", "current", "averageUtilization")  # type: ignore[no-any-return]


def _carry(obj: Object, annotation: str, value: Any) -> None:
    annotations = get(obj, "metadata", "annotations") or {}
    annotations.pop(annotation, None)
    if value:
        annotations[annotation] = orjson.dumps(value).decode()
    _annotate(obj, annotations)


def _annotate(obj: Object, annotations: Object) -> None:
    """An apply may have taken all of the metadata away."""
    if annotations:
        obj.setdefault("metadata", {})["annotations"] = annotations
    elif obj.get("metadata"):
        obj["metadata"].pop("annotations", None)


def _sources_of(metric: Object) -> list[str]:
    """Of a good metric, one; statuses are not judged and may have several."""
    return [name for name in _SPECS if metric.get(name) is not None]


def _old_form(metric: Object, table: Table) -> Object:
    made: Object = {"type": metric.get("type", "")}
    for source in _sources_of(metric):
        fields = made[source] = {}
        for field, path in table[source]:
            value = get(metric[source], *path)
            if value is None and (source, field) in _ALWAYS:
                value = "0"
            if value is not None or field in _NAMES:
                fields[field] = _in_order(field, value)
    return made


def _in_order(field: str, value: Any) -> Any:
    """A value of v1's as Go writes it: structs in its order, names also where they are empty."""
    if field == "target":
        reference = {key: get(value or {}, key, default="") for key in ("kind", "name", "apiVersion")}
        return {key: text for key, text in reference.items() if text or key != "apiVersion"}
    if field in ("selector", "metricSelector"):
        return label_selector(value)
    return "" if value is None else value


def _new_form(metric: Object, table: Table) -> Object:
    made: Object = {"type": metric.get("type", "")}
    for source in _sources_of(metric):
        made[source] = _new_source(source, metric[source], table)
    return made


def _new_source(source: str, old: Object, table: Table) -> Object:
    fields: Object = {}
    for field, path in table[source]:
        value = old.get(field)
        zero = value == "0" and field == "targetValue" and old.get("averageValue") is not None
        if value is not None and not zero:
            inner = fields
            for step in path[:-1]:
                inner = inner.setdefault(step, {})
            inner[path[-1]] = value
    if table is _SPECS:
        target = fields.setdefault("target", {})
        fields["target"] = {"type": _target_type(source, target), **target}
    return fields


def _target_type(source: str, target: Object) -> str:
    if source in ("resource", "containerResource"):
        return "Utilization" if target.get("averageUtilization") is not None else "AverageValue"
    if source == "pods" or target.get("averageValue") is not None:
        return "AverageValue"
    return "Value"


def _internal_behavior(behavior: Object) -> Object:
    """Upstream writes its internal type here: capitalized names, nothing left out."""

    def rules(given: Object | None) -> Object | None:
        if given is None:
            return None
        policies = given.get("policies")
        return {
            "StabilizationWindowSeconds": given.get("stabilizationWindowSeconds"),
            "SelectPolicy": given.get("selectPolicy"),
            "Policies": None
            if policies is None
            else [
                {"Type": p.get("type", ""), "Value": p.get("value", 0), "PeriodSeconds": p.get("periodSeconds", 0)}
                for p in policies
            ],
            "Tolerance": given.get("tolerance"),
        }

    return {"ScaleUp": rules(behavior.get("scaleUp")), "ScaleDown": rules(behavior.get("scaleDown"))}


def _wire_behavior(value: Any) -> Object | None:
    """Back from `_internal_behavior`; Go reads field names without regard to case."""

    def lowered(item: Any) -> Any:
        if isinstance(item, dict):
            return {k[:1].lower() + k[1:]: lowered(v) for k, v in item.items() if v is not None}
        return [lowered(v) for v in item] if isinstance(item, list) else item

    return lowered(value) if isinstance(value, dict) else None


def _carried(annotations: Object, key: str) -> Any:
    try:
        return orjson.loads(annotations[key])
    except (KeyError, orjson.JSONDecodeError, TypeError):
        return None


def _carried_metrics(annotations: Object, key: str, table: Table, kind: str) -> list[Object] | None:
    """Metrics from an annotation; None where there are none that Go can read."""
    metrics = _carried(annotations, key)
    if not isinstance(metrics, list) or not all(_is_metric(metric) for metric in metrics):
        return None
    return _as_go_reads([_new_form(metric or {}, table) for metric in metrics], kind)


def _is_metric(metric: Any) -> bool:
    if metric is None:
        return True
    return isinstance(metric, dict) and all(isinstance(metric.get(name) or {}, dict) for name in _SPECS)


def _as_go_reads(items: list[Any], kind: str) -> list[Object] | None:
    """Items in the form Go writes; None where one is not of its kind: the whole annotation is passed over then."""
    type = struct_type(f"io.k8s.api.autoscaling.v2.{kind}")
    try:
        return [Decoder(strict=False).decode(parse(orjson.dumps(item)), type)[0] for item in items]
    except DecodeError:
        return None


def _to_v2(obj: Object) -> None:
    spec, status = _section(obj, "spec"), _section(obj, "status")
    annotations = get(obj, "metadata", "annotations") or {}
    metrics: list[Object] = []
    metrics += _carried_metrics(annotations, METRICS, _SPECS, "MetricSpec") or ()
    utilization = spec.pop("targetCPUUtilizationPercentage", None)
    if utilization is None and not metrics:
        utilization = DEFAULT_CPU
    if utilization is not None:
        metrics.append(cpu_metric(utilization))
    spec["metrics"] = metrics
    if behavior := _wire_behavior(_carried(annotations, BEHAVIOR)):
        for rules in _as_go_reads([behavior], "HorizontalPodAutoscalerBehavior") or ():
            spec["behavior"] = rules
    usage = status.pop("currentCPUUtilizationPercentage", None)
    current = _carried_metrics(annotations, CURRENT_METRICS, _STATUSES, "MetricStatus")
    if current is not None:
        status["currentMetrics"] = current
    elif usage is not None:
        resource = {"name": "cpu", "current": {"averageUtilization": usage}}
        status["currentMetrics"] = [{"type": "Resource", "resource": resource}]
    else:
        status.setdefault("currentMetrics", None)
    conditions = _carried(annotations, CONDITIONS)
    if isinstance(conditions, list) and (read := _as_go_reads(conditions, "HorizontalPodAutoscalerCondition")):
        status["conditions"] = read
    if status.get("currentReplicas") == 0:
        del status["currentReplicas"]
    status.setdefault("desiredReplicas", 0)
    _annotate(obj, {k: v for k, v in annotations.items() if k not in CARRIED})


def cpu_metric(utilization: int) -> Object:
    """The metric v1's one percentage stands for."""
    target = {"type": "Utilization", "averageUtilization": utilization}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}
