"""LimitRange: bounds and defaults of the resources of containers, pods and claims in a namespace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from apiserver.api.podspec.resources import may_overcommit
from apiserver.api.strategy import KindStrategy
from apiserver.api.validation.resources import container_resource_name_errors, resource_name_errors
from apiserver.apimachinery import formats, quantity
from apiserver.apimachinery.errors import FieldError, duplicate, field_forbidden, invalid, required
from apiserver.apimachinery.objects import Object, get
from apiserver.apimachinery.quantity import Quantity
from apiserver.registry.context import Context
from apiserver.registry.resource import Resource, ServedVersion

STANDARD_TYPES = ("Pod", "Container", "PersistentVolumeClaim")
SIDES = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")  # upstream's order

Amounts = Mapping[str, Quantity]


class LimitRangeStrategy(KindStrategy):
    """Mirrors upstream registry/core/limitrange and its defaults."""

    allow_create_on_update = True

    def default(self, obj: Object) -> None:
        for limit in get(obj, "spec", "limits") or ():
            if limit.get("type") == "Container":
                _default_container_limits(limit)

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        """A nameless one is named by chance."""
        super().prepare_for_create(ctx, obj)
        meta = obj["metadata"]
        if not meta.get("name"):
            meta["name"] = ctx.rand.uuid()

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        seen: list[str] = []
        for i, limit in enumerate(get(obj, "spec", "limits") or ()):
            path, kind = f"spec.limits[{i}]", limit.get("type") or ""
            yield from _type_errors(kind, f"{path}.type")
            if kind in seen:
                yield duplicate(f"{path}.type", kind)
            seen.append(kind)
            yield from _limit_errors(limit, kind, path)


def _default_container_limits(limit: Object) -> None:
    """A default follows the maximum; a default request the default, else the minimum (SetDefaults_LimitRangeItem)."""
    default = {**(limit.get("max") or {}), **(limit.get("default") or {})}
    requests = {**(limit.get("min") or {}), **default, **(limit.get("defaultRequest") or {})}
    for name, amounts in (("default", default), ("defaultRequest", requests)):
        if amounts:
            limit[name] = amounts


def _type_errors(kind: str, path: str) -> Iterator[FieldError]:
    messages = list(formats.qualified_name(kind))
    for message in messages:
        yield invalid(path, kind, message)
    if not messages and "/" not in kind and kind not in STANDARD_TYPES:
        yield invalid(path, kind, "must be a standard limit type or fully qualified")


def _limit_errors(limit: Object, kind: str, path: str) -> Iterator[FieldError]:
    name_errors = container_resource_name_errors if kind in ("Pod", "Container") else resource_name_errors
    amounts: dict[str, dict[str, Quantity]] = {side: {} for side in SIDES}
    for side in SIDES:
        given = limit.get(side) or {}
        if kind == "Pod" and side in ("default", "defaultRequest"):
            if given:
                yield field_forbidden(f"{path}.{side}", "may not be specified when `type` is 'Pod'")
            continue
        if kind == "PersistentVolumeClaim" and side == "maxLimitRequestRatio" and not _bounds_storage(limit):
            yield required(
                f"{path}.limits", "either minimum or maximum storage value is required, but neither was provided"
            )
        for name, amount in given.items():
            yield from name_errors(name, f"{path}.{side}[{name}]")
            amounts[side][name] = quantity.parse(amount)
    for name in sorted({name for side in SIDES for name in amounts[side]}):
        yield from _order_errors(name, amounts, path)


def _bounds_storage(limit: Object) -> bool:
    return "storage" in (limit.get("min") or {}) or "storage" in (limit.get("max") or {})


# (side, lower, higher, whose value is shown, how the sentence begins and goes on), in upstream's order
_ORDERS = (
    ("min", "min", "max", "min", "min value", "max value"),
    ("defaultRequest", "min", "defaultRequest", "defaultRequest", "min value", "default request value"),
    ("defaultRequest", "defaultRequest", "max", "defaultRequest", "default request value", "max value"),
    ("defaultRequest", "defaultRequest", "default", "defaultRequest", "default request value", "default limit value"),
    ("default", "min", "default", "min", "min value", "default value"),
    ("default", "default", "max", "max", "default value", "max value"),
)


def _order_errors(name: str, amounts: Mapping[str, Amounts], path: str) -> Iterator[FieldError]:
    for side, low, high, shown, low_words, high_words in _ORDERS:
        lower, higher = amounts[low].get(name), amounts[high].get(name)
        if lower is not None and higher is not None and lower > higher:
            detail = f"{low_words} {lower} is greater than {high_words} {higher}"
            yield invalid(f"{path}.{side}[{name}]", str(amounts[shown][name]), detail)
    yield from _ratio_errors(name, amounts, path)
    default, request = amounts["default"].get(name), amounts["defaultRequest"].get(name)
    if default is not None and request is not None and not may_overcommit(name) and default != request:
        detail = f"default value {default} must equal to defaultRequest value {request} in {name}"
        yield invalid(f"{path}.defaultRequest[{name}]", str(request), detail)


def _ratio_errors(name: str, amounts: Mapping[str, Amounts], path: str) -> Iterator[FieldError]:
    ratio = amounts["maxLimitRequestRatio"].get(name)
    if ratio is None:
        return
    here = f"{path}.maxLimitRequestRatio[{name}]"
    if ratio < quantity.of(1):
        yield invalid(here, str(ratio), f"ratio {ratio} is less than 1")
    low, high = amounts["min"].get(name), amounts["max"].get(name)
    if low is not None and high is not None and low.milli_value:
        bound = high.milli_value / low.milli_value
        if ratio.milli_value / 1000 > bound:
            yield invalid(here, str(ratio), f"ratio {ratio} is greater than max/min = {bound:f}")


RESOURCE = Resource(
    group="",
    plural="limitranges",
    kind="LimitRange",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    short_names=("limits",),
    strategy=LimitRangeStrategy(),
    empty={"spec": {"limits": None}},
)
