"""What is valid in an autoscaler's metrics and behavior, and how a table shows them (upstream autoscaling/validation)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from apiserver.api.validation.resources import container_resource_name_errors, non_negative_quantity
from apiserver.apimachinery import formats, quantity
from apiserver.apimachinery.errors import FieldError, field_forbidden, invalid, not_supported, required
from apiserver.apimachinery.gvk import GroupVersion
from apiserver.apimachinery.objects import Object, get

MAX_PERIOD = 1800  # seconds
MAX_STABILIZATION = 3600
# type → field, in the order upstream looks at them
SOURCES = {
    "Object": "object",
    "External": "external",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}
TYPES = tuple(sorted(SOURCES))
SELECT_POLICIES = ("Disabled", "Max", "Min")
SHOWN = 2


def reference_errors(
    reference: Object, path: str, *, group_needed: bool, version_checked: bool = True
) -> Iterator[FieldError]:
    """Upstream ValidateCrossVersionObjectReference."""
    for key in ("kind", "name"):
        value = reference.get(key) or ""
        if not value:
            yield required(f"{path}.{key}")
        else:
            for message in formats.path_segment_name(value, False):
                yield invalid(f"{path}.{key}", value, message)
    if not version_checked:
        return
    api_version = reference.get("apiVersion") or ""
    try:
        group = GroupVersion.parse(api_version).group
    except ValueError as error:
        yield invalid(f"{path}.apiVersion", api_version, str(error))
        return
    if group_needed and not group:
        yield invalid(f"{path}.apiVersion", api_version, "apiVersion must specify API group")


def metrics_errors(metrics: list[Object], path: str, min_replicas: int | None) -> Iterator[FieldError]:
    for i, metric in enumerate(metrics):
        yield from _metric_errors(metric, f"{path}[{i}]")
    if min_replicas == 0 and not any(m.get("type") in ("Object", "External") for m in metrics):
        detail = "must specify at least one Object or External metric to support scaling to zero replicas"
        yield field_forbidden(path, detail)


def _metric_errors(metric: Object, path: str) -> Iterator[FieldError]:
    kind = metric.get("type") or ""
    if not kind:
        yield required(f"{path}.type", "must specify a metric source type")
    if kind not in SOURCES:
        yield not_supported(f"{path}.type", kind, TYPES)
    present = [field for field in SOURCES.values() if metric.get(field) is not None]
    if present:
        yield from _SOURCE_ERRORS[present[0]](metric[present[0]], f"{path}.{present[0]}")
    expected = SOURCES.get(kind)
    if expected is not None and expected not in present:
        yield required(f"{path}.{expected}", "must populate information for the given metric source")
    if len(present) != 1:
        for field in present:
            if field != expected:
                yield field_forbidden(f"{path}.{field}", "must populate the given metric source only")


def _identifier_errors(source: Object, path: str) -> Iterator[FieldError]:
    name = get(source, "metric", "name", default="")
    if not name:
        yield required(f"{path}.metric.name", "must specify a metric name")
    for message in formats.path_segment_name(name, False) if name else ():
        yield invalid(f"{path}.metric.name", name, message)


def _target_errors(source: Object, path: str) -> Iterator[FieldError]:
    target = source.get("target") or {}
    here, kind = f"{path}.target", target.get("type") or ""
    if not kind:
        yield required(f"{here}.type", "must specify a metric target type")
    if kind not in ("Utilization", "Value", "AverageValue"):
        detail = "must be either Utilization, Value, or AverageValue"
        yield invalid(f"{here}.type", kind, detail)
    for field in ("value", "averageValue"):
        amount = target.get(field)
        if amount is not None and not quantity.parse(str(amount)) > quantity.of(0):
            yield invalid(f"{here}.{field}", amount, "must be positive")
    utilization = target.get("averageUtilization")
    if utilization is not None and utilization < 1:
        yield invalid(f"{here}.averageUtilization", utilization, "must be greater than 0")


def _object_errors(source: Object, path: str) -> Iterator[FieldError]:
    yield from reference_errors(source.get("describedObject") or {}, f"{path}.describedObject", group_needed=False)
    yield from _identifier_errors(source, path)
    yield from _target_errors(source, path)
    if get(source, "target", "value") is None and get(source, "target", "averageValue") is None:
        yield required(f"{path}.target.averageValue", "must set either a target value or averageValue")


def _external_errors(source: Object, path: str) -> Iterator[FieldError]:
    yield from _identifier_errors(source, path)
    yield from _target_errors(source, path)
    value, average = get(source, "target", "value"), get(source, "target", "averageValue")
    if value is None and average is None:
        yield required(f"{path}.target.averageValue", "must set either a target value for metric or a per-pod target")
    if value is not None and average is not None:
        detail = "may not set both a target value for metric and a per-pod target"
        yield field_forbidden(f"{path}.target.value", detail)


def _pods_errors(source: Object, path: str) -> Iterator[FieldError]:
    yield from _identifier_errors(source, path)
    yield from _target_errors(source, path)
    if get(source, "target", "averageValue") is None:
        yield required(f"{path}.target.averageValue", "must specify a positive target averageValue")


def _resource_errors(source: Object, path: str) -> Iterator[FieldError]:
    if not source.get("name"):
        yield required(f"{path}.name", "must specify a resource name")
    yield from _resource_target_errors(source, path)


def _resource_target_errors(source: Object, path: str) -> Iterator[FieldError]:
    yield from _target_errors(source, path)
    target = source.get("target") or {}
    utilization, average = target.get("averageUtilization"), target.get("averageValue")
    if utilization is None and average is None:
        detail = "must set either a target raw value or a target utilization"
        yield required(f"{path}.target.averageUtilization", detail)
    if utilization is not None and average is not None:
        detail = "may not set both a target raw value and a target utilization"
        yield field_forbidden(f"{path}.target.averageValue", detail)


def _container_resource_errors(source: Object, path: str) -> Iterator[FieldError]:
    name, container = source.get("name") or "", source.get("container") or ""
    if not name:
        yield required(f"{path}.name", "must specify a resource name")
    else:
        yield from container_resource_name_errors(name, f"{path}.name")
    if not container:
        yield required(f"{path}.container", "must specify a container")
    for message in formats.dns1123_label(container) if container else ():
        yield invalid(f"{path}.container", container, message)
    yield from _resource_target_errors(source, path)


_SOURCE_ERRORS: dict[str, Callable[[Object, str], Iterator[FieldError]]] = {
    "object": _object_errors,
    "external": _external_errors,
    "pods": _pods_errors,
    "resource": _resource_errors,
    "containerResource": _container_resource_errors,
}


def behavior_errors(behavior: Object | None, path: str) -> Iterator[FieldError]:
    for side in ("scaleUp", "scaleDown"):
        rules = (behavior or {}).get(side)
        if rules is not None:
            yield from _rules_errors(rules, f"{path}.{side}")


def _rules_errors(rules: Object, path: str) -> Iterator[FieldError]:
    window, select = rules.get("stabilizationWindowSeconds"), rules.get("selectPolicy")
    if window is not None and window < 0:
        yield invalid(f"{path}.stabilizationWindowSeconds", window, "must be greater than or equal to zero")
    if window is not None and window > MAX_STABILIZATION:
        detail = f"must be less than or equal to {MAX_STABILIZATION}"
        yield invalid(f"{path}.stabilizationWindowSeconds", window, detail)
    if select is not None and select not in SELECT_POLICIES:
        yield not_supported(f"{path}.selectPolicy", select, SELECT_POLICIES)
    policies = rules.get("policies") or ()
    if not policies:
        yield required(f"{path}.policies", "must specify at least one Policy")
    for i, policy in enumerate(policies):
        yield from _policy_errors(policy, f"{path}.policies[{i}]")
    if (tolerance := rules.get("tolerance")) is not None:
        yield from non_negative_quantity(quantity.parse(str(tolerance)), f"{path}.tolerance")


def _policy_errors(policy: Object, path: str) -> Iterator[FieldError]:
    kind, value, period = policy.get("type") or "", policy.get("value") or 0, policy.get("periodSeconds") or 0
    if kind not in ("Pods", "Percent"):
        yield not_supported(f"{path}.type", kind, ("Percent", "Pods"))
    if value <= 0:
        yield invalid(f"{path}.value", value, "must be greater than zero")
    if period <= 0:
        yield invalid(f"{path}.periodSeconds", period, "must be greater than zero")
    if period > MAX_PERIOD:
        yield invalid(f"{path}.periodSeconds", period, f"must be less than or equal to {MAX_PERIOD}")


def targets_cell(obj: Object) -> str:
    """`cpu: 12%/80%, 5/10 + 1 more...` (upstream formatHPAMetrics)."""
    metrics = get(obj, "spec", "metrics") or []
    if not metrics:
        return "<none>"
    current = get(obj, "status", "currentMetrics") or []
    found = [_shown(m, current[i] if i < len(current) else {}) for i, m in enumerate(metrics)]
    text = ", ".join(found[:SHOWN])
    return f"{text} + {len(found) - SHOWN} more..." if len(found) > SHOWN else text


def _shown(metric: Object, status: Object) -> str:
    field = SOURCES.get(metric.get("type") or "")
    if field is None:
        return "<unknown type>"
    target, current = get(metric, field, "target", default={}), get(status, field, "current", default={})
    if field in ("resource", "containerResource"):
        return f"{get(metric, field, 'name', default='')}: {_resource_shown(target, current)}"
    if field == "pods":
        return f"{current.get('averageValue', '<unknown>')}/{target.get('averageValue')}"
    if target.get("averageValue") is not None:
        return f"{current.get('averageValue', '<unknown>')}/{target['averageValue']} (avg)"
    return f"{current.get('value', '<unknown>')}/{target.get('value')}"


def _resource_shown(target: Object, current: Object) -> str:
    if target.get("averageValue") is not None:
        return f"{current.get('averageValue', '<unknown>')}/{target['averageValue']}"
    utilization, used = target.get("averageUtilization"), current.get("averageUtilization")
    wanted = "<auto>" if utilization is None else f"{utilization}%"
    return f"{'<unknown>' if used is None else f'{used}%'}/{wanted}"
