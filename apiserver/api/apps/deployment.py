"""Deployment: rolls templates out, by ReplicaSets."""

from __future__ import annotations

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
)
QUARTER = "25%"


class DeploymentStrategy(TemplateStrategy):
    """Mirrors upstream registry/apps/deployment and apps/v1 defaults."""

    names_pods = True

    def default(self, obj: Object) -> None:
        super().default(obj)
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
        "spec": {"selector": None, "template": {"metadata": {}, "spec": {"containers": None}}, "strategy": {}},
        "status": {},
    },
    subresources=(
        template_scale(),
        Subresource(name="status", strategy=DeploymentStatusStrategy(STRATEGY, COUNTS)),
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
