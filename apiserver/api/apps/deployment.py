"""Deployment: rolls templates out, by ReplicaSets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apiserver.api.columns import AGE, NAME
from apiserver.api.templates import (
    ReplicasStatusStrategy,
    TemplateStrategy,
    container_columns,
    count_cell,
    label_selector_text,
    template_scale,
)
from apiserver.api.validation.int_or_percent import int_or_percent_errors, over_100_percent_errors
from apiserver.api.validation.internal import internal
from apiserver.api.validation.workloads import (
    amount,
    go_int64,
    immutable_selector,
    optional_non_negative,
    readable_selector_errors,
    required_selector_errors,
)
from apiserver.apimachinery.errors import FieldError, bad_request, field_forbidden, invalid, not_supported
from apiserver.apimachinery.object_meta import non_negative
from apiserver.apimachinery.objects import Object, annotations_of, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource

COUNTS = (
    "observedGeneration",
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "unavailableReplicas",
    "terminatingReplicas",
    "collisionCount",
)
WITHIN = ("updatedReplicas", "readyReplicas", "availableReplicas")
ROLLBACK = "deprecated.deployment.rollback.to"  # a field of upstream's internal type (apps/v1 conversion.go)
QUARTER = "25%"
STRATEGIES = ("Recreate", "RollingUpdate")


class DeploymentStrategy(TemplateStrategy):
    """Mirrors upstream registry/apps/deployment and apps/v1 defaults."""

    names_pods = True

    def default(self, obj: Object) -> None:
        super().default(obj)
        _read_rollback(obj)
        spec = obj["spec"]
        if spec.get("replicas") is None:
            spec["replicas"] = 1
        _default_rollout(spec.setdefault("strategy", {}))
        if spec.get("revisionHistoryLimit") is None:
            spec["revisionHistoryLimit"] = 10
        if spec.get("progressDeadlineSeconds") is None:
            spec["progressDeadlineSeconds"] = 600

    def spec_of(self, obj: Object) -> Any:
        """Annotations count, too: they are copied to ReplicaSets."""
        return obj["spec"], annotations_of(obj)

    def spec_errors(self, obj: Object, old: Object | None) -> Iterator[FieldError]:
        spec = obj["spec"]
        yield from optional_non_negative(spec, ("replicas",), "spec")
        yield from required_selector_errors(spec.get("selector"), "spec.selector", "deployment")
        yield from readable_selector_errors(spec, self.pod_options(old))
        yield from _strategy_errors(spec.get("strategy") or {}, "spec.strategy")
        yield from optional_non_negative(spec, ("minReadySeconds", "revisionHistoryLimit"), "spec")
        if rollback := annotations_of(obj).get(ROLLBACK):
            yield from non_negative(int(rollback), "spec.rollback.version")
        yield from _deadline_errors(spec)
        if old is not None:
            yield from immutable_selector(spec.get("selector"), old["spec"].get("selector"), "spec.selector")


def _read_rollback(obj: Object) -> None:
    """An empty annotation says nothing; one that is no number cannot be read."""
    annotations = annotations_of(obj)
    if ROLLBACK not in annotations:
        return
    text = annotations[ROLLBACK]
    if not text:
        del annotations[ROLLBACK]
        if not annotations:
            del obj["metadata"]["annotations"]
        return
    try:
        revision = go_int64(text)
    except ValueError as e:
        why = f"failed to parse annotation[{ROLLBACK}]={text} as int64: {e}"
        raise bad_request(f'Deployment in version "v1" cannot be handled as a Deployment: {why}') from None
    if str(revision) != text:
        obj["metadata"]["annotations"] = {**annotations, ROLLBACK: str(revision)}


def _deadline_errors(spec: Object) -> Iterator[FieldError]:
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is None:
        return
    yield from non_negative(deadline, "spec.progressDeadlineSeconds")
    if deadline <= (spec.get("minReadySeconds") or 0):
        yield invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def _strategy_errors(strategy: Object, path: str) -> Iterator[FieldError]:
    kind, rolling = strategy.get("type") or "", strategy.get("rollingUpdate")
    if kind == "Recreate":
        if rolling is not None:
            yield field_forbidden(f"{path}.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'")
    elif kind == "RollingUpdate":
        yield from _rolling_errors(rolling or {}, f"{path}.rollingUpdate")
    else:
        yield not_supported(path, internal(strategy, "DeploymentStrategy"), STRATEGIES)


def _rolling_errors(rolling: Object, path: str) -> Iterator[FieldError]:
    unavailable, surge = (0 if (n := rolling.get(key)) is None else n for key in ("maxUnavailable", "maxSurge"))
    yield from int_or_percent_errors(unavailable, f"{path}.maxUnavailable")
    yield from int_or_percent_errors(surge, f"{path}.maxSurge")
    if amount(unavailable) == 0 and amount(surge) == 0:
        yield invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
    yield from over_100_percent_errors(unavailable, f"{path}.maxUnavailable")


def _default_rollout(strategy: Object) -> None:
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] != "RollingUpdate":
        return
    if strategy.get("rollingUpdate") is None:
        strategy["rollingUpdate"] = {}
    for field in ("maxUnavailable", "maxSurge"):
        if strategy["rollingUpdate"].get(field) is None:
            strategy["rollingUpdate"][field] = QUARTER


class DeploymentStatusStrategy(ReplicasStatusStrategy):
    """`/status`: labels stay, too."""

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        super().prepare_for_update(ctx, obj, old)
        obj["metadata"].pop("labels", None)
        if labels := old["metadata"].get("labels"):
            obj["metadata"]["labels"] = labels

    def reset_fields(self, version: str) -> tuple[tuple[str, ...], ...]:
        return (("spec",), ("metadata", "labels"))


def _ready_cell(obj: Object, now: float) -> str:
    return f"{get(obj, 'status', 'readyReplicas', default=0)}/{get(obj, 'spec', 'replicas', default=0)}"


def _selector_cell(obj: Object, now: float) -> str:
    return label_selector_text(get(obj, "spec", "selector"), "<invalid>")


STRATEGY = DeploymentStrategy()
RESOURCE = Resource(
    group="apps",
    plural="deployments",
    kind="Deployment",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=STRATEGY,
    short_names=("deploy",),
    categories=("all",),
    empty={
        "spec": {
            "replicas": 0,
            "selector": None,
            "template": {"metadata": {}, "spec": {"containers": None}},
            "strategy": {},
        },
        "status": {},
    },
    subresources=(
        template_scale(),
        Subresource(name="status", strategy=DeploymentStatusStrategy(STRATEGY, COUNTS, WITHIN)),
    ),
    columns=(
        NAME,
        Column("Ready", _ready_cell, description="Number of the pod with ready state"),
        Column(
            "Up-to-date",
            count_cell("status", "updatedReplicas"),
            description="Total number of non-terminating pods targeted by this deployment that have the desired template spec.",
        ),
        Column(
            "Available",
            count_cell("status", "availableReplicas"),
            description="Total number of available non-terminating pods (ready for at least minReadySeconds) targeted by this "
            "deployment.",
        ),
        AGE,
        *container_columns("spec", "template"),
        Column(
            "Selector",
            _selector_cell,
            priority=1,
            description="Label selector for pods. Existing ReplicaSets whose pods are selected by this will be the ones affected "
            "by this deployment. It must match the pod template's labels.",
        ),
    ),
)
