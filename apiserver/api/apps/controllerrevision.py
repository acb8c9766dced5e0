"""ControllerRevision: a snapshot of a controller's state, as StatefulSets and DaemonSets keep them."""

from __future__ import annotations

from apiserver.api.columns import AGE, NAME
from apiserver.api.strategy import KindStrategy
from apiserver.apimachinery.gvk import GroupVersion
from apiserver.apimachinery.objects import Object, controller_of
from apiserver.registry.resource import Column, Resource, ServedVersion


class ControllerRevisionStrategy(KindStrategy):
    """Mirrors upstream registry/apps/controllerrevision."""


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
