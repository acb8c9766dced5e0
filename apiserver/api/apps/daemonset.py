"""DaemonSet: one pod on every node that is meant."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.columns import AGE, NAME
from apiserver.api.templates import (
    ReplicasStatusStrategy,
    TemplateStrategy,
    container_columns,
    count_cell,
    labels_text,
    selector_cell,
)
from apiserver.api.validation.int_or_percent import int_or_percent_errors, over_100_percent_errors
from apiserver.api.validation.internal import internal
from apiserver.api.validation.label_selectors import has_invalid_values, label_selector_errors
from apiserver.api.validation.pod.template import template_errors
from apiserver.api.validation.workloads import (
    amount,
    empty_selector_errors,
    go_int64,
    immutable_selector,
    long_running_errors,
    optional_non_negative,
    parsed_selector,
    selected_errors,
)
from apiserver.apimachinery.errors import FieldError, bad_request, invalid, not_supported, required
from apiserver.apimachinery.objects import Object, annotations_of, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource

# Upstream's internal type counts templates in a field that apps/v1 shows as this annotation (apps/v1 conversion.go).
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
COUNTS = (
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
    "observedGeneration",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberUnavailable",
    "collisionCount",
)
STRATEGIES = ("RollingUpdate", "OnDelete")


class DaemonSetStrategy(TemplateStrategy):
    """Mirrors upstream registry/apps/daemonset and apps/v1 defaults."""

    zero_counts = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")

    def default(self, obj: Object) -> None:
        super().default(obj)
        spec = obj["spec"]
        _default_update(spec.setdefault("updateStrategy", {}))
        if spec.get("revisionHistoryLimit") is None:
            spec["revisionHistoryLimit"] = 10
        _set_template_generation(obj, template_generation(obj))

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        super().prepare_for_create(ctx, obj)
        _set_template_generation(obj, max(1, template_generation(obj)))

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        super().prepare_for_update(ctx, obj, old)
        changed = obj["spec"]["template"] != old["spec"]["template"]
        _set_template_generation(obj, template_generation(old) + changed)

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[str]:
        if template_generation(obj) != template_generation(old):
            yield from self.template_warnings(obj)

    def spec_errors(self, obj: Object, old: Object | None) -> Iterator[FieldError]:
        spec, options = obj["spec"], self.pod_options(old)
        selector, path = spec.get("selector"), "spec.selector"
        any_values = False
        if old is not None:
            yield from immutable_selector(selector, old["spec"].get("selector"), path)
            any_values = options.any_affinity_values or has_invalid_values(old["spec"].get("selector"))
        yield from label_selector_errors(selector, path, any_values=any_values)
        parsed = parsed_selector(selector)
        if parsed is not None:
            yield from selected_errors(parsed, spec["template"], "spec.template")
        if selector is not None:
            yield from empty_selector_errors(selector, path, "daemonset")
        yield from template_errors(spec["template"], "spec.template", options)
        yield from long_running_errors(spec["template"], "spec.template", "DaemonSet")
        yield from optional_non_negative(spec, ("minReadySeconds",), "spec")
        yield from _update_strategy_errors(spec.get("updateStrategy") or {}, "spec.updateStrategy")
        yield from optional_non_negative(spec, ("revisionHistoryLimit",), "spec")


def _update_strategy_errors(strategy: Object, path: str) -> Iterator[FieldError]:
    kind = strategy.get("type") or ""
    if kind not in STRATEGIES:
        yield not_supported(path, internal(strategy, "DaemonSetUpdateStrategy"), STRATEGIES)
    elif kind == "RollingUpdate":
        yield from _rolling_errors(strategy["rollingUpdate"], f"{path}.rollingUpdate")


def _rolling_errors(rolling: Object, path: str) -> Iterator[FieldError]:
    """Exactly one of surge and unavailability."""
    unavailable, surge = rolling["maxUnavailable"], rolling["maxSurge"]
    for errors in (int_or_percent_errors, over_100_percent_errors):
        yield from errors(unavailable, f"{path}.maxUnavailable")
        yield from errors(surge, f"{path}.maxSurge")
    if amount(unavailable) and amount(surge):
        yield invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
    elif not amount(unavailable) and not amount(surge):
        yield required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")


def template_generation(obj: Object) -> int:
    annotations = annotations_of(obj)
    if TEMPLATE_GENERATION not in annotations:
        return 0
    try:
        return go_int64(annotations[TEMPLATE_GENERATION])
    except ValueError as e:
        raise bad_request(f'DaemonSet in version "v1" cannot be handled as a DaemonSet: {e}') from None


def _set_template_generation(obj: Object, generation: int) -> None:
    meta = obj["metadata"]
    annotations = meta.get("annotations") or {}
    if annotations.get(TEMPLATE_GENERATION) != str(generation):
        meta["annotations"] = {**annotations, TEMPLATE_GENERATION: str(generation)}


def _default_update(strategy: Object) -> None:
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] != "RollingUpdate":
        return
    rolling = strategy.get("rollingUpdate")
    if rolling is None:
        rolling = strategy["rollingUpdate"] = {}
    for field, value in (("maxUnavailable", 1), ("maxSurge", 0)):
        if rolling.get(field) is None:
            rolling[field] = value


class DaemonSetStatusStrategy(ReplicasStatusStrategy):
    """`/status`: the count of templates is part of the spec, although an annotation shows it."""

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        super().prepare_for_update(ctx, obj, old)
        _set_template_generation(obj, template_generation(old))


def _node_selector_cell(obj: Object, now: float) -> str:
    return labels_text(get(obj, "spec", "template", "spec", "nodeSelector"))


STRATEGY = DaemonSetStrategy()
RESOURCE = Resource(
    group="apps",
    plural="daemonsets",
    kind="DaemonSet",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=STRATEGY,
    short_names=("ds",),
    categories=("all",),
    field_annotations={TEMPLATE_GENERATION: "0"},
    empty={
        "spec": {"selector": None, "template": {"metadata": {}, "spec": {"containers": None}}, "updateStrategy": {}},
        "status": dict.fromkeys(DaemonSetStrategy.zero_counts, 0),
    },
    subresources=(Subresource(name="status", strategy=DaemonSetStatusStrategy(STRATEGY, COUNTS)),),
    columns=(
        NAME,
        Column(
            "Desired",
            count_cell("status", "desiredNumberScheduled"),
            type="integer",
            description="The total number of nodes that should be running the daemon pod (including nodes correctly running the "
            "daemon pod). More info: https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/",
        ),
        Column(
            "Current",
            count_cell("status", "currentNumberScheduled"),
            type="integer",
            description="The number of nodes that are running at least 1 daemon pod and are supposed to run the daemon pod. More "
            "info: https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/",
        ),
        Column(
            "Ready",
            count_cell("status", "numberReady"),
            type="integer",
            description="numberReady is the number of nodes that should be running the daemon pod and have one or more of the "
            "daemon pod running with a Ready Condition.",
        ),
        Column(
            "Up-to-date",
            count_cell("status", "updatedNumberScheduled"),
            type="integer",
            description="The total number of nodes that are running updated daemon pod",
        ),
        Column(
            "Available",
            count_cell("status", "numberAvailable"),
            type="integer",
            description="The number of nodes that should be running the daemon pod and have one or more of the daemon pod running "
            "and available (ready for at least spec.minReadySeconds)",
        ),
        Column(
            "Node Selector",
            _node_selector_cell,
            description="NodeSelector is a selector which must be true for the pod to fit on a node. Selector which must match a "
            "node's labels for the pod to be scheduled on that node. More info: "
            "https://kubernetes.io/docs/concepts/configuration/assign-pod-node/",
        ),
        AGE,
        *container_columns("spec", "template"),
        Column(
            "Selector",
            selector_cell,
            priority=1,
            description="A label query over pods that are managed by the daemon set. Must match in order to be controlled. It must "
            "match the pod template's labels. More info: "
            "https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
        ),
    ),
)
