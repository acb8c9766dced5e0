"""ControllerRevision: a snapshot of a controller's state, as StatefulSets and DaemonSets keep them."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.columns import AGE, NAME
from apiserver.api.strategy import KindStrategy, metadata_update_errors
from apiserver.apimachinery.errors import FieldError, required
from apiserver.apimachinery.gvk import GroupVersion
from apiserver.apimachinery.object_meta import immutable, non_negative
from apiserver.apimachinery.objects import Object, controller_of
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion


class ControllerRevisionStrategy(KindStrategy):
    """Mirrors upstream registry/apps/controllerrevision. The data are for good, their number may change."""

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        yield from non_negative(obj.get("revision") or 0, "revision")
        if obj.get("data") is None:
            yield required("data", "data is mandatory")
        elif not isinstance(obj["data"], dict):
            yield required("data", "data must be a valid JSON object")

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        yield from self.metadata_errors(obj)
        yield from non_negative(obj.get("revision") or 0, "revision")
        yield from immutable(obj.get("data"), old.get("data"), "data")


def _controller_cell(obj: Object, now: float) -> str:
    owner = controller_of(obj)
    if owner is None:
        return "<none>"
    group, kind = GroupVersion.parse(owner["apiVersion"]).group, owner["kind"].lower()
    return f"{kind}.{group}/{owner['name']}" if group else f"{kind}/{owner['name']}"


RESOURCE = Resource(
    group="apps",
    plural="controllerrevisions",
    kind="ControllerRevision",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=ControllerRevisionStrategy(),
    empty={"data": None, "revision": 0},
    columns=(
        NAME,
        Column("Controller", _controller_cell, description="Controller of the object"),
        Column(
            "Revision",
            lambda obj, now: obj.get("revision") or 0,
            description="Revision indicates the revision of the state represented by Data.",
        ),
        AGE,
    ),
)
