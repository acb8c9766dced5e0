"""ResourceSlice: devices that a driver offers, on one node or several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apiserver.api.columns import AGE, NAME
from apiserver.api.resource import declared
from apiserver.api.resource.deviceclass import GROUP
from apiserver.api.resource.devices import spec_errors
from apiserver.api.strategy import KindStrategy, metadata_update_errors
from apiserver.apimachinery.errors import FieldError, go_quote
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion


class ResourceSliceStrategy(KindStrategy):
    """Mirrors upstream registry/resource/resourceslice."""

    namespaced = False
    return_deleted_object = True
    has_generation = True

    def default(self, obj: Object) -> None:
        _drop_empty(obj.setdefault("spec", {}))

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        super().prepare_for_create(ctx, obj)
        _drop_disabled(obj)
        _add_times(obj, ctx.timestamp())

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        _add_times(obj, ctx.timestamp())
        super().prepare_for_update(ctx, obj, old)
        _drop_disabled(obj)

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        yield from spec_errors(obj.get("spec") or {}, None)
        yield from declared.slice_errors(obj.get("spec") or {})

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        yield from spec_errors(obj.get("spec") or {}, old.get("spec") or {})
        yield from declared.slice_errors(obj.get("spec") or {})

    def warnings_on_create(self, ctx: Context, obj: Object) -> Iterable[str]:
        driver = _driver(obj)
        if driver != driver.lower():
            yield (f"spec.driver: driver names should be lowercase; {go_quote(driver)} contains uppercase characters")

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[str]:
        return self.warnings_on_create(ctx, obj)


def _devices(obj: Object) -> list[Object]:
    return get(obj, "spec", "devices", default=[])  # type: ignore[no-any-return]


def _add_times(obj: Object, now: str) -> None:
    for device in _devices(obj):
        for taint in device.get("taints") or ():
            if taint.get("timeAdded") is None:
                taint["timeAdded"] = now


def _drop_disabled(obj: Object) -> None:
    """What is behind gates that are off: DRADeviceCompatibilityGroups, DRANodeAllocatableResources,
    DRAListTypeAttributes, DRAPartitionableDevicesType, DRAOptionalNodeOperations."""
    for field in ("partitionTypeAttribute", "skipNodeOperations"):
        obj["spec"].pop(field, None)
    for device in _devices(obj):
        device.pop("nodeAllocatableResources", None)
        for consumption in device.get("consumesCounters") or ():
            consumption.pop("compatibilityGroups", None)
        for attribute in (device.get("attributes") or {}).values():
            for field in ("bools", "ints", "strings", "versions"):
                attribute.pop(field, None)


def _drop_empty(spec: Object) -> None:
    """An empty list counts only as one list too many (beside the other)."""
    if not {"devices", "sharedCounters"} <= spec.keys():
        for field in ("devices", "sharedCounters"):
            if spec.get(field) == []:
                del spec[field]


def _node(obj: Object) -> str:
    return get(obj, "spec", "nodeName", default="")  # type: ignore[no-any-return]


def _driver(obj: Object) -> str:
    return get(obj, "spec", "driver", default="")  # type: ignore[no-any-return]


def _pool(obj: Object) -> str:
    return get(obj, "spec", "pool", "name", default="")  # type: ignore[no-any-return]


RESOURCE = Resource(
    group=GROUP,
    plural="resourceslices",
    kind="ResourceSlice",
    namespaced=False,
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=ResourceSliceStrategy(),
    selectable={"spec.nodeName": _node, "spec.driver": _driver, "spec.pool.name": _pool},
    watch_index="spec.nodeName",
    empty={"spec": {"driver": "", "pool": {"name": "", "generation": 0, "resourceSliceCount": 0}}},
    columns=(
        NAME,
        Column(
            "Node",
            lambda obj, now: _node(obj),
            description="NodeName identifies the node which provides the resources in this pool. A field selector can "
            "be used to list only ResourceSlice objects belonging to a certain node.\n\nThis field can be "
            "used to limit access from nodes to ResourceSlices with the same node name. It also indicates "
            "to autoscalers that adding new nodes of the same type as some old node might also make new "
            "resources available.\n\nExactly one of NodeName, NodeSelector, AllNodes, and "
            "PerDeviceNodeSelection must be set. This field is immutable.",
        ),
        Column(
            "Driver",
            lambda obj, now: _driver(obj),
            description="Driver identifies the DRA driver providing the capacity information. A field selector can be "
            "used to list only ResourceSlice objects with a certain driver name.\n\nMust be a DNS "
            "subdomain and should end with a DNS domain owned by the vendor of the driver. It should use "
            "only lower case characters. This field is immutable.",
        ),
        Column(
            "Pool",
            lambda obj, now: _pool(obj),
            description="Name is used to identify the pool. For node-local devices, this is often the node name, but "
            "this is not required. A field selector can be used to list only ResourceSlice objects "
            "belonging to a certain pool.\n\nIt must not be longer than 253 characters and must consist of "
            "one or more DNS sub-domains separated by slashes. This field is immutable.",
        ),
        AGE,
    ),
)
