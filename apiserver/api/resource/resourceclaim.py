"""ResourceClaim: devices that somebody wants; its status tells which were given, and to whom."""

from __future__ import annotations

from apiserver.api.columns import AGE, NAME
from apiserver.api.core.pod_mutations import reset_metadata_for_status
from apiserver.api.resource.claims import default_claim, default_tolerations, drop_disabled
from apiserver.api.resource.deviceclass import GROUP
from apiserver.api.strategy import KindStatusStrategy, KindStrategy
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource

Device = tuple[str, ...]


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


def _device(item: Object) -> Device:
    return tuple(item.get(field) or "" for field in ("driver", "pool", "device", "shareID"))


def _allocated(claim: Object) -> set[Device]:
    return {_device(result) for result in get(claim, "status", "allocation", "devices", "results", default=())}


class ResourceClaimStatusStrategy(KindStatusStrategy):
    """`/status`: the scheduler allocates, drivers report on the devices; reports on devices given back go with them."""

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        super().prepare_for_update(ctx, obj, old)
        reset_metadata_for_status(obj["metadata"], old["metadata"])
        for result in get(obj, "status", "allocation", "devices", "results", default=()):
            result.pop("skipNodeOperations", None)  # behind the gate DRAOptionalNodeOperations, which is off
        _drop_given_back(obj, _allocated(old) - _allocated(obj))

    def reset_fields(self, version: str) -> tuple[tuple[str, ...], ...]:
        return (("metadata",), ("spec",))


def _drop_given_back(claim: Object, gone: set[Device]) -> None:
    status = claim.get("status") or {}
    left = [device for device in status.get("devices") or () if _device(device) not in gone]
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
    subresources=(Subresource(name="status", strategy=ResourceClaimStatusStrategy(STRATEGY)),),
    empty={"spec": {"devices": {}}, "status": {}},
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
