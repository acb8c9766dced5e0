"""CSINode: the storage drivers of one node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from apiserver.api.columns import AGE, NAME
from apiserver.api.core.pod_mutations import reset_metadata_for_status
from apiserver.api.storage.parameters import GROUP
from apiserver.api.strategy import KindStatusStrategy, KindStrategy, metadata_update_errors
from apiserver.api.validation.internal import internal
from apiserver.api.validation.pod.volumes import csi_driver_name_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, duplicate, invalid, required
from apiserver.apimachinery.object_meta import IMMUTABLE, label_key_errors, non_negative
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource

MAX_NODE_ID = 256


class CSINodeStrategy(KindStrategy):
    """Mirrors upstream registry/storage/csinode. The status is all behind the gate CSIVolumeHealth, which is off."""

    namespaced = False
    allow_unconditional_update = False
    return_deleted_object = True

    def default(self, obj: Object) -> None:
        obj.setdefault("spec", {}).setdefault("drivers", None)
        obj.setdefault("status", {})

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        obj["status"] = {}

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        obj["status"] = old.get("status") or {}

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        seen: set[str] = set()
        for i, driver in enumerate(get(obj, "spec", "drivers") or ()):
            yield from _driver_errors(driver, f"spec.drivers[{i}]", seen)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from self.validate_whole(ctx, obj)
        for before in get(old, "spec", "drivers") or ():
            for driver in get(obj, "spec", "drivers") or ():
                if driver.get("name") == before.get("name") and _fixed(driver) != _fixed(before):
                    yield invalid("spec.drivers", internal(_fixed(driver), "CSINodeDriver"), IMMUTABLE)

    def reset_fields(self, version: str) -> tuple[tuple[str, ...], ...]:
        return (("status",),)


def _fixed(driver: Object) -> Object:
    """What must not change of a driver: all but how many volumes it can attach."""
    return {key: value for key, value in driver.items() if key != "allocatable"}


def _driver_errors(driver: Object, path: str, seen: set[str]) -> Iterator[FieldError]:
    name, node_id = driver.get("name") or "", driver.get("nodeID") or ""
    yield from csi_driver_name_errors(name, f"{path}.name")
    if not node_id:
        yield required(f"{path}.nodeID")
    if formats.byte_length(node_id) > MAX_NODE_ID:
        yield invalid(f"{path}.nodeID", node_id, f"must be {MAX_NODE_ID} characters or less")
    count = get(driver, "allocatable", "count")
    if count is not None:
        yield from non_negative(count, f"{path}.allocatable.count")
    if name in seen:
        yield duplicate(f"{path}.name", name)
    seen.add(name)
    yield from _topology_errors(driver.get("topologyKeys") or (), path)


def _topology_errors(keys: Sequence[str], path: str) -> Iterator[FieldError]:
    for i, key in enumerate(keys):
        if not key:
            yield required(path)
        if key in keys[:i]:
            yield duplicate(path, key)
        yield from label_key_errors(key, path)


class CSINodeStatusStrategy(KindStatusStrategy):
    """`/status`: nothing of it is served yet, and metadata stays as it was."""

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        super().prepare_for_update(ctx, obj, old)
        reset_metadata_for_status(obj["metadata"], old["metadata"])
        if not get(old, "status", "storageHealth"):
            obj["status"] = {k: v for k, v in (obj.get("status") or {}).items() if k != "storageHealth"}

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        return metadata_update_errors(obj, old)

    def reset_fields(self, version: str) -> tuple[tuple[str, ...], ...]:
        return (("metadata",), ("spec",))


STRATEGY = CSINodeStrategy()
RESOURCE = Resource(
    group=GROUP,
    plural="csinodes",
    kind="CSINode",
    namespaced=False,
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=STRATEGY,
    subresources=(Subresource(name="status", strategy=CSINodeStatusStrategy(STRATEGY)),),
    empty={"spec": {"drivers": None}, "status": {}},
    columns=(
        NAME,
        Column(
            "Drivers",
            lambda obj, now: len(get(obj, "spec", "drivers") or ()),
            type="integer",
            description="Drivers indicates the number of CSI drivers registered on the node",
        ),
        AGE,
    ),
)
