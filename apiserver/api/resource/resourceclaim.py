"""ResourceClaim: devices that somebody wants; its status tells which were given, and to whom."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from apiserver.api.columns import AGE, NAME
from apiserver.api.core.pod_mutations import reset_metadata_for_status
from apiserver.api.resource import declared
from apiserver.api.resource.allocations import DeviceId, allocated, device_id, status_errors
from apiserver.api.resource.claim_checks import ClaimChecks
from apiserver.api.resource.claims import claim_errors, default_claim, default_tolerations, drop_disabled, request_names
from apiserver.api.resource.deviceclass import GROUP
from apiserver.api.strategy import KindStatusStrategy, KindStrategy, metadata_update_errors
from apiserver.apimachinery.errors import FieldError, invalid
from apiserver.apimachinery.object_meta import IMMUTABLE
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource


class ResourceClaimStrategy(KindStrategy):
    """Mirrors upstream registry/resource/resourceclaim: what was wished once stays."""

    return_deleted_object = True
    has_status = True

    def default(self, obj: Object) -> None:
        default_claim(obj.get("spec") or {})
        for result in get(obj, "status", "allocation", "devices", "results", default=()):
            default_tolerations(result)

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        obj["status"] = {}
        drop_disabled(obj.get("spec") or {})

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        obj["status"] = old.get("status") or {}
        drop_disabled(obj.get("spec") or {})

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        yield from claim_errors(obj.get("spec") or {}, "spec")
        yield from declared.claim_errors(obj.get("spec") or {}, "spec")

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from self.metadata_errors(obj)
        yield from metadata_update_errors(obj, old)
        if obj.get("spec") != old.get("spec"):
            yield invalid("spec", None, IMMUTABLE)


class ResourceClaimStatusStrategy(KindStatusStrategy):
    """`/status`: the scheduler allocates, drivers report on the devices; reports on devices given back go with them."""

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        super().prepare_for_update(ctx, obj, old)
        reset_metadata_for_status(obj["metadata"], old["metadata"])
        for result in get(obj, "status", "allocation", "devices", "results", default=()):
            result.pop("skipNodeOperations", None)  # behind the gate DRAOptionalNodeOperations, which is off
        _drop_given_back(obj, allocated(old) - allocated(obj))

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        yield from status_errors(obj, old, request_names(obj.get("spec") or {}))

    def reset_fields(self, version: str) -> tuple[tuple[str, ...], ...]:
        return (("metadata",), ("spec",))


def _drop_given_back(claim: Object, gone: Collection[DeviceId]) -> None:
    status = claim.get("status") or {}
    left = [device for device in status.get("devices") or () if device_id(device) not in gone]
    claim["status"] = {key: value for key, value in status.items() if key != "devices"}
    if left:
        claim["status"]["devices"] = left


def _state_cell(claim: Object, now: float) -> str:
    deleted = bool(get(claim, "metadata", "deletionTimestamp"))
    states = ["deleted"] if deleted else []
    if get(claim, "status", "allocation") is None:
        states += [] if deleted else ["pending"]
    else:
        states.append("allocated")
        states += ["reserved"] if get(claim, "status", "reservedFor") else []
    return ",".join(states)


STRATEGY = ResourceClaimStrategy()
RESOURCE = Resource(
    group=GROUP,
    plural="resourceclaims",
    kind="ResourceClaim",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=STRATEGY,
    subresources=(Subresource(name="status", strategy=ResourceClaimStatusStrategy(STRATEGY), tabled=False),),
    checks=lambda dependencies, store: ClaimChecks(dependencies),
    empty={"spec": {"devices": {"requests": None}}, "status": {}},
    columns=(
        NAME,
        Column(
            "State",
            _state_cell,
            description="A summary of the current state (allocated, pending, reserved, etc.).",
        ),
        AGE,
    ),
)
