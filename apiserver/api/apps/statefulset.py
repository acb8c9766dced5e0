"""StatefulSet: pods with names, an order and volume claims of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apiserver.api.apps.statefulset_validation import statefulset_spec_errors
from apiserver.api.columns import AGE, NAME
from apiserver.api.podspec.quantities import round_list
from apiserver.api.strategy import metadata_update_errors
from apiserver.api.templates import ReplicasStatusStrategy, TemplateStrategy, container_columns, template_scale
from apiserver.api.validation.volume_claims import claim_spec_warnings
from apiserver.api.validation.workloads import collision_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource

COUNTS = (
    "replicas",
    "readyReplicas",
    "currentReplicas",
    "updatedReplicas",
    "availableReplicas",
    "observedGeneration",
    "collisionCount",
)
WITHIN = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
RETAIN = "Retain"


NEGATIVE_HISTORY = (
    "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
)


class StatefulSetStrategy(TemplateStrategy):
    """Mirrors upstream registry/apps/statefulset and apps/v1 defaults."""

    zero_counts = ("replicas", "availableReplicas")

    def default(self, obj: Object) -> None:
        super().default(obj)
        spec = obj["spec"]
        if not spec.get("podManagementPolicy"):
            spec["podManagementPolicy"] = "OrderedReady"
        _default_update(spec.setdefault("updateStrategy", {}))
        retention = spec.get("persistentVolumeClaimRetentionPolicy")
        if retention is None:
            retention = spec["persistentVolumeClaimRetentionPolicy"] = {}
        for field in ("whenDeleted", "whenScaled"):
            if not retention.get(field):
                retention[field] = RETAIN
        if spec.get("replicas") is None:
            spec["replicas"] = 1
        if spec.get("revisionHistoryLimit") is None:
            spec["revisionHistoryLimit"] = 10
        for claim in spec.get("volumeClaimTemplates") or ():
            _default_claim(claim)

    def name_errors(self, name: str, prefix: bool) -> Iterable[str]:
        return formats.label_name(name, prefix)

    def warnings_on_create(self, ctx: Context, obj: Object) -> Iterator[str]:
        yield from super().warnings_on_create(ctx, obj)
        yield from _spec_warnings(obj["spec"], "")

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[str]:
        yield from super().warnings_on_update(ctx, obj, old)
        yield from _spec_warnings(obj["spec"], ".Spec")  # as upstream spells the path there

    def spec_errors(self, obj: Object, old: Object | None) -> Iterator[FieldError]:
        return statefulset_spec_errors(obj["spec"], old and old["spec"], self.pod_options(old))


def _default_update(strategy: Object) -> None:
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        if strategy.get("rollingUpdate") is None:
            strategy["rollingUpdate"] = {}
    rolling = strategy.get("rollingUpdate")
    if strategy["type"] == "RollingUpdate" and rolling is not None:
        if rolling.get("partition") is None:
            rolling["partition"] = 0
        if rolling.get("maxUnavailable") is None:
            rolling["maxUnavailable"] = 1


def _default_claim(claim: Object) -> None:
    """A claim inside a StatefulSet names its kind, whatever was written (upstream apps/v1 conversion.go)."""
    claim["kind"], claim["apiVersion"] = "PersistentVolumeClaim", "v1"
    spec = claim.setdefault("spec", {})
    if spec.get("volumeMode") is None:
        spec["volumeMode"] = "Filesystem"
    for side in ("limits", "requests"):
        round_list((spec.get("resources") or {}).get(side))
    status = claim.setdefault("status", {})
    if not status.get("phase"):
        status["phase"] = "Pending"
    round_list(status.get("capacity"))
    round_list(status.get("allocatedResources"))


def _spec_warnings(spec: Object, below: str) -> Iterator[str]:
    for i, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        yield from claim_spec_warnings(claim.get("spec") or {}, f"spec.volumeClaimTemplates[{i}]{below}")
    if (spec.get("revisionHistoryLimit") or 0) < 0:
        yield NEGATIVE_HISTORY


class StatefulSetStatusStrategy(ReplicasStatusStrategy):
    """`/status`: upstream looks at metadata after the counts."""

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from self.counts_errors(obj)
        yield from metadata_update_errors(obj, old)
        yield from collision_errors(obj, old)


def _ready_cell(obj: Object, now: float) -> str:
    return f"{get(obj, 'status', 'readyReplicas', default=0)}/{get(obj, 'spec', 'replicas', default=0)}"


STRATEGY = StatefulSetStrategy()
RESOURCE = Resource(
    group="apps",
    plural="statefulsets",
    kind="StatefulSet",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=STRATEGY,
    short_names=("sts",),
    categories=("all",),
    empty={
        "spec": {
            "replicas": 0,
            "selector": None,
            "template": {"metadata": {}, "spec": {"containers": None}},
            "serviceName": "",
            "updateStrategy": {},
        },
        "status": {"replicas": 0, "availableReplicas": 0},
    },
    subresources=(
        template_scale(),
        Subresource(
            name="status", strategy=StatefulSetStatusStrategy(STRATEGY, COUNTS, WITHIN, "status.readyReplicas")
        ),
    ),
    columns=(
        NAME,
        Column("Ready", _ready_cell, description="Number of the pod with ready state"),
        AGE,
        *container_columns("spec", "template"),
    ),
)
