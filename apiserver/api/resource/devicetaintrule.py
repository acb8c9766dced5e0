"""DeviceTaintRule: an administrator's taint on devices that a selector names."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.columns import AGE, NAME
from apiserver.api.core.pod_mutations import reset_metadata_for_status
from apiserver.api.relabel import relabel
from apiserver.api.resource import declared
from apiserver.api.resource.deviceclass import GROUP
from apiserver.api.resource.names import driver_errors, label_errors, pool_errors
from apiserver.api.resource.taints import taint_errors
from apiserver.api.strategy import KindStatusStrategy, KindStrategy, metadata_update_errors
from apiserver.api.validation.conditions import conditions_errors
from apiserver.apimachinery.errors import FieldError, too_many
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Since, Subresource

MAX_CONDITIONS = 8


class DeviceTaintRuleStrategy(KindStrategy):
    """Mirrors upstream registry/resource/devicetaintrule. `timeAdded` tells since when the effect is what it is."""

    namespaced = False
    allow_unconditional_update = False
    has_generation = True

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        super().prepare_for_create(ctx, obj)
        obj["status"] = {}
        _add_time(obj, ctx.timestamp())

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        obj["status"] = old.get("status") or {}
        taint, before = obj["spec"]["taint"], get(old, "spec", "taint", default={})
        if taint.get("effect") != before.get("effect") and taint.get("timeAdded") == before.get("timeAdded"):
            del taint["timeAdded"]
        _add_time(obj, ctx.timestamp())
        super().prepare_for_update(ctx, obj, old)

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        yield from _spec_errors(obj["spec"])
        yield from declared.taint_errors(obj["spec"].get("taint") or {}, "spec.taint")

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        yield from _spec_errors(obj["spec"])
        yield from declared.taint_errors(obj["spec"].get("taint") or {}, "spec.taint", get(old, "spec", "taint"))

    def reset_fields(self, version: str) -> tuple[tuple[str, ...], ...]:
        return (("status",),)


def _spec_errors(spec: Object) -> Iterator[FieldError]:
    selector = spec.get("deviceSelector") or {}
    for field, check in (("driver", driver_errors), ("pool", pool_errors), ("device", label_errors)):
        if selector.get(field) is not None:
            yield from check(selector[field], f"spec.deviceSelector.{field}")
    yield from taint_errors(spec.get("taint") or {}, "spec.taint")


def _add_time(rule: Object, now: str) -> None:
    taint = rule["spec"]["taint"]
    if taint.get("timeAdded") is None:
        taint["timeAdded"] = now


class DeviceTaintRuleStatusStrategy(KindStatusStrategy):
    """`/status`: what the evictions caused by the rule have come to."""

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        super().prepare_for_update(ctx, obj, old)
        reset_metadata_for_status(obj["metadata"], old["metadata"])

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        conditions = get(obj, "status", "conditions", default=())
        yield from conditions_errors(conditions, "status.conditions")
        if len(conditions) > MAX_CONDITIONS:
            yield too_many("status.conditions", len(conditions), MAX_CONDITIONS)

    def reset_fields(self, version: str) -> tuple[tuple[str, ...], ...]:
        return (("metadata",), ("spec",))


def _taint(rule: Object, field: str) -> str:
    return get(rule, "spec", "taint", field, default="")  # type: ignore[no-any-return]


STRATEGY = DeviceTaintRuleStrategy()
RESOURCE = Resource(
    group=GROUP,
    plural="devicetaintrules",
    kind="DeviceTaintRule",
    namespaced=False,
    versions=(ServedVersion("v1"),),
    storage_version="v1beta2",
    convert=relabel,
    strategy=STRATEGY,
    subresources=(Subresource(name="status", strategy=DeviceTaintRuleStatusStrategy(STRATEGY), tabled=False),),
    empty={"spec": {"taint": {"key": "", "effect": ""}}, "status": {}},
    columns=(
        NAME,
        Column(
            "Key",
            lambda obj, now: _taint(obj, "key"),
            description="The taint key to be applied to a device. Must be a label name.",
        ),
        Column(
            "Value",
            lambda obj, now: _taint(obj, "value"),
            description="The taint value corresponding to the taint key. Must be a label value.",
        ),
        Column(
            "Effect",
            lambda obj, now: _taint(obj, "effect"),
            description="The effect of the taint on claims that do not tolerate the taint and through such claims on "
            "the pods using them.\n\nValid effects are None, NoSchedule and NoExecute. PreferNoSchedule as "
            "used for nodes is not valid here. More effects may get added in the future. Consumers must "
            "treat unknown effects like None.",
        ),
        Column(
            "TimeAdded",
            lambda obj, now: Since(_taint(obj, "timeAdded")),
            description="TimeAdded represents the time at which the taint was added or (only in a DeviceTaintRule) the "
            "effect was modified. Added automatically during create or update if not set.\n\nIn addition, "
            "in a DeviceTaintRule a value provided during an update gets replaced with the current time if "
            "the provided value is the same as the old one and the new effect is different. Changing the "
            "key and/or value while keeping the effect unchanged is possible and does not update the time "
            "stamp because the eviction which uses it is either already started (NoExecute) or not started "
            "yet (NoEffect, NoSchedule).",
        ),
        AGE,
    ),
)
