"""ReplicationController: what ReplicaSet was before it."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.columns import AGE, NAME
from apiserver.api.templates import (
    ReplicasStatusStrategy,
    TemplateStrategy,
    container_columns,
    count_cell,
    labels_text,
)
from apiserver.api.validation.workloads import optional_non_negative, replica_template_errors
from apiserver.apimachinery import formats, labels
from apiserver.apimachinery.errors import FieldError, required
from apiserver.apimachinery.objects import Object, copy, get, labels_of
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource
from apiserver.registry.scale import scale_subresource

COUNTS = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration")
WITHIN = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
NAME_FIELD = "metadata.name"


class ReplicationControllerStrategy(TemplateStrategy):
    """Mirrors upstream registry/core/replicationcontroller."""

    names_pods = True
    default_gc_policy = "orphan"  # as v1 always did
    zero_counts = ("replicas",)

    def default(self, obj: Object) -> None:
        super().default(obj)
        spec = obj["spec"]
        template_labels = labels_of(spec.get("template") or {})
        if template_labels:
            if not spec.get("selector"):
                spec["selector"] = copy(template_labels)
            if not labels_of(obj):
                obj["metadata"]["labels"] = copy(template_labels)
        if spec.get("replicas") is None:
            spec["replicas"] = 1

    def metadata_errors(self, obj: Object) -> Iterator[FieldError]:
        """Names come later: upstream checks them by declaration, and says so after everything else."""
        return (e for e in super().metadata_errors(obj) if not _is_declared(e))

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        yield from super().validate(ctx, obj)
        yield from (_in_bytes(e) for e in super().metadata_errors(obj) if _is_declared(e))
        yield from optional_non_negative(obj["spec"], ("replicas", "minReadySeconds"), "spec")

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from super().validate_update(ctx, obj, old)
        changed = tuple(f for f in ("replicas", "minReadySeconds") if obj["spec"].get(f) != old["spec"].get(f))
        yield from optional_non_negative(obj["spec"], changed, "spec")

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[str]:
        """Upstream hands the templates over in the wrong order: those of the old one are told."""
        if obj["metadata"].get("generation") != old["metadata"].get("generation"):
            yield from self.template_warnings(old)

    def spec_errors(self, obj: Object, old: Object | None) -> Iterator[FieldError]:
        selector, template, path = obj["spec"].get("selector"), obj["spec"].get("template"), "spec.template"
        if not selector:
            yield required("spec.selector")
        if template is None:
            yield required(path)
            return
        parsed = labels.from_set(selector)
        yield from replica_template_errors(parsed, template, path, self.pod_options(old), "ReplicationController")


def _is_declared(error: FieldError) -> bool:
    return error.field == NAME_FIELD and error.reason == "FieldValueInvalid"


def _in_bytes(error: FieldError) -> FieldError:
    """Declared checks count bytes."""
    told = formats.too_long(formats.SUBDOMAIN_MAX)
    return error._replace(text=error.text.replace(told, formats.in_bytes([told])[0]))


STRATEGY = ReplicationControllerStrategy()
RESOURCE = Resource(
    group="",
    plural="replicationcontrollers",
    kind="ReplicationController",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    storage_prefix="/registry/controllers",
    strategy=STRATEGY,
    short_names=("rc",),
    categories=("all",),
    empty={"spec": {}, "status": {"replicas": 0}},
    selectable={"status.replicas": lambda obj: str(get(obj, "status", "replicas", default=0))},
    subresources=(
        scale_subresource(lambda obj: str(labels.from_set(get(obj, "spec", "selector")))),
        Subresource(name="status", strategy=ReplicasStatusStrategy(STRATEGY, COUNTS, WITHIN)),
    ),
    columns=(
        NAME,
        Column(
            "Desired",
            count_cell("spec", "replicas"),
            type="integer",
            description="Replicas is the number of desired replicas. This is a pointer to distinguish between explicit zero and "
            "unspecified. Defaults to 1. More info: "
            "https://kubernetes.io/docs/concepts/workloads/controllers/replicationcontroller#what-is-a-replicationcontroller",
        ),
        Column(
            "Current",
            count_cell("status", "replicas"),
            type="integer",
            description="Replicas is the most recently observed number of replicas. More info: "
            "https://kubernetes.io/docs/concepts/workloads/controllers/replicationcontroller#what-is-a-replicationcontroller",
        ),
        Column(
            "Ready",
            count_cell("status", "readyReplicas"),
            type="integer",
            description="The number of ready replicas for this replication controller.",
        ),
        AGE,
        *container_columns("spec", "template"),
        Column(
            "Selector",
            lambda obj, now: labels_text(get(obj, "spec", "selector")),
            priority=1,
            description="Selector is a label query over pods that should match the Replicas count. If Selector is empty, it is "
            "defaulted to the labels present on the Pod template. Label keys and values that must match in order to be "
            "controlled by this replication controller, if empty defaulted to labels on Pod template. More info: "
            "https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
        ),
    ),
)
