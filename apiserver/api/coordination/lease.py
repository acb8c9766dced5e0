"""Lease: a lock with a holder and a time; heartbeats of nodes, leaders, API servers."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.columns import AGE, NAME
from apiserver.api.strategy import KindStrategy
from apiserver.apimachinery.errors import FieldError, invalid
from apiserver.apimachinery.object_meta import NOT_NEGATIVE, object_meta_update_errors
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion

# Fields of coordinated leader election, which is not on by default in 1.37.
GATED = ("strategy", "preferredHolder")


class LeaseStrategy(KindStrategy):
    """Mirrors upstream registry/coordination/lease."""

    allow_create_on_update = True
    allow_unconditional_update = False
    standard_finalizers = False

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        for field in GATED:
            (obj.get("spec") or {}).pop(field, None)

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        for field in GATED:
            if get(old, "spec", field) is None:
                (obj.get("spec") or {}).pop(field, None)

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        spec = obj.get("spec") or {}
        duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
        if duration is not None and duration <= 0:
            yield invalid("spec.leaseDurationSeconds", duration, "must be greater than 0")
        if transitions is not None and transitions < 0:
            yield invalid("spec.leaseTransitions", transitions, NOT_NEGATIVE)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from object_meta_update_errors(obj["metadata"], old["metadata"])
        yield from self.validate(ctx, obj)


RESOURCE = Resource(
    group="coordination.k8s.io",
    plural="leases",
    kind="Lease",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=LeaseStrategy(),
    empty={"spec": {}},
    columns=(
        NAME,
        Column(
            "Holder",
            lambda obj, now: get(obj, "spec", "holderIdentity", default=""),
            description="holderIdentity contains the identity of the holder of a current lease. If Coordinated Leader Election "
            "is used, the holder identity must be equal to the elected LeaseCandidate.metadata.name field.",
        ),
        AGE,
    ),
)
