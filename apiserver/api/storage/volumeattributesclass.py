"""VolumeAttributesClass: qualities a volume can be changed to while it is in use."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.columns import AGE, NAME
from apiserver.api.storage.parameters import GROUP, parameters_errors, provisioner_errors
from apiserver.api.strategy import KindStrategy, metadata_update_errors
from apiserver.apimachinery.errors import FieldError, field_forbidden, required
from apiserver.apimachinery.objects import Object
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion


class AttributesClassStrategy(KindStrategy):
    """Mirrors upstream registry/storage/volumeattributesclass and its validation."""

    namespaced = False
    return_deleted_object = True

    def default(self, obj: Object) -> None:
        obj.setdefault("driverName", "")

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        driver = obj.get("driverName") or ""
        if not driver:
            yield required("driverName")
        yield from provisioner_errors(driver, "driverName")
        yield from parameters_errors(obj.get("parameters"), "parameters", needed=True)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        for field in ("driverName", "parameters"):
            if (obj.get(field) or None) != (old.get(field) or None):
                yield field_forbidden(field, f"updates to {field} are forbidden.")
        yield from self.validate_whole(ctx, obj)


RESOURCE = Resource(
    group=GROUP,
    plural="volumeattributesclasses",
    kind="VolumeAttributesClass",
    namespaced=False,
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    short_names=("vac",),
    strategy=AttributesClassStrategy(),
    empty={"driverName": ""},
    columns=(
        NAME,
        Column(
            "DriverName",
            lambda obj, now: obj.get("driverName") or "",
            description="driverName is the name of the CSI driver This field is immutable.",
        ),
        AGE,
    ),
)
