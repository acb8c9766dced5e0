"""StatefulSet: pods with names, an order and volume claims of their own."""

from __future__ import annotations

from apiserver.api.columns import AGE, NAME
from apiserver.api.podspec.quantities import round_list
from apiserver.api.templates import ReplicasStatusStrategy, TemplateStrategy, container_columns, template_scale
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource

COUNTS = ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas")
RETAIN = "Retain"


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
            "selector": None,
            "template": {"metadata": {}, "spec": {"containers": None}},
            "serviceName": "",
            "updateStrategy": {},
        },
        "status": {"replicas": 0, "availableReplicas": 0},
    },
    subresources=(
        template_scale(),
        Subresource(name="status", strategy=ReplicasStatusStrategy(STRATEGY, COUNTS)),
    ),
    columns=(
        NAME,
        Column("Ready", _ready_cell, description="Number of the pod with ready state"),
        AGE,
        *container_columns("spec", "template"),
    ),
)
