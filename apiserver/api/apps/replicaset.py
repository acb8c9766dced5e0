"""ReplicaSet: keeps so many pods of one template."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.columns import AGE, NAME
from apiserver.api.templates import (
    ReplicasStatusStrategy,
    TemplateStrategy,
    container_columns,
    count_cell,
    selector_cell,
    template_scale,
)
from apiserver.api.validation.workloads import (
    immutable_selector,
    optional_non_negative,
    readable_selector_errors,
    required_selector_errors,
)
from apiserver.apimachinery.errors import FieldError
from apiserver.apimachinery.objects import Object
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource

COUNTS = (
    "replicas",
    "fullyLabeledReplicas",
    "readyReplicas",
    "availableReplicas",
    "observedGeneration",
    "terminatingReplicas",
)
WITHIN = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")


class ReplicaSetStrategy(TemplateStrategy):
    """Mirrors upstream registry/apps/replicaset."""

    names_pods = True
    zero_counts = ("replicas",)

    def default(self, obj: Object) -> None:
        super().default(obj)
        if obj["spec"].get("replicas") is None:
            obj["spec"]["replicas"] = 1

    def spec_errors(self, obj: Object, old: Object | None) -> Iterator[FieldError]:
        spec = obj["spec"]
        yield from optional_non_negative(spec, ("replicas", "minReadySeconds"), "spec")
        yield from required_selector_errors(spec.get("selector"), "spec.selector", "deployment")
        yield from readable_selector_errors(spec, self.pod_options(old))
        if old is not None:
            yield from immutable_selector(spec.get("selector"), old["spec"].get("selector"), "spec.selector")


STRATEGY = ReplicaSetStrategy()
RESOURCE = Resource(
    group="apps",
    plural="replicasets",
    kind="ReplicaSet",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=STRATEGY,
    short_names=("rs",),
    categories=("all",),
    empty={
        "spec": {"replicas": 0, "selector": None, "template": {"metadata": {}, "spec": {"containers": None}}},
        "status": {"replicas": 0},
    },
    subresources=(
        template_scale(),
        Subresource(name="status", strategy=ReplicasStatusStrategy(STRATEGY, COUNTS, WITHIN)),
    ),
    columns=(
        NAME,
        Column(
            "Desired",
            count_cell("spec", "replicas"),
            type="integer",
            description="Replicas is the number of desired pods. This is a pointer to distinguish between explicit zero and "
            "unspecified. Defaults to 1. More info: "
            "https://kubernetes.io/docs/concepts/workloads/controllers/replicaset",
        ),
        Column(
            "Current",
            count_cell("status", "replicas"),
            type="integer",
            description="Replicas is the most recently observed number of non-terminating pods. More info: "
            "https://kubernetes.io/docs/concepts/workloads/controllers/replicaset",
        ),
        Column(
            "Ready",
            count_cell("status", "readyReplicas"),
            type="integer",
            description="The number of non-terminating pods targeted by this ReplicaSet with a Ready Condition.",
        ),
        AGE,
        *container_columns("spec", "template"),
        Column(
            "Selector",
            selector_cell,
            priority=1,
            description="Selector is a label query over pods that should match the replica count. Label keys and values that "
            "must match in order to be controlled by this replica set. It must match the pod template's labels. More info: "
            "https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
        ),
    ),
)
