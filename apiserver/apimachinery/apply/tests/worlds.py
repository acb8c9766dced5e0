"""What the tests of field ownership stand on: a field manager per kind, and a tiny server that only keeps managedFields."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery import objects, schemas
from apiserver.apimachinery.apply import FieldManager
from apiserver.apimachinery.gvk import GroupVersion
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.schema import Schema

NOON = "2026-01-01T12:00:00Z"


def field_manager(kind: str, api_version: str) -> FieldManager:
    def schema_of(version: str) -> Schema:
        return schemas.builtin().schema(GroupVersion.parse(version).with_kind(kind))

    return FieldManager(kind, api_version, schema_of)


class World:
    """One object; writes and applies to it, a minute between them."""

    def __init__(self, kind: str = "ConfigMap", api_version: str = "v1", manager: FieldManager | None = None) -> None:
        self.kind, self.api_version = kind, api_version
        self.fields = manager if manager is not None else field_manager(kind, api_version)
        self.live: Object | None = None
        self.minute = 0

    def now(self) -> str:
        self.minute += 1
        return f"2026-01-01T12:{self.minute:02}:00Z"

    def write(self, new: Object, manager: str, subresource: str = "", **more: Any) -> None:
        """A create, update or patch that ends in `new`; managedFields are the live ones unless given."""
        new = objects.copy({"apiVersion": self.api_version, "kind": self.kind, **new})
        meta = new.setdefault("metadata", {})
        if self.live is not None:
            meta.setdefault("managedFields", self.live["metadata"].get("managedFields"))
        version = more.pop("api_version", self.api_version)
        self.fields.on_update(
            self.live, new, api_version=version, manager=manager, subresource=subresource, now=self.now(), **more
        )
        meta.update({"uid": "u", "resourceVersion": str(self.minute)})
        self.live = new

    def change(self, manager: str, **top_level: Any) -> None:
        assert self.live is not None
        self.write({**self.live, **top_level}, manager)

    def apply(self, config: Object, manager: str = "applier", force: bool = False, **more: Any) -> Object:
        config = {"apiVersion": self.api_version, "kind": self.kind, **config}
        version = more.pop("api_version", config["apiVersion"])
        before = objects.copy(self.live)
        result = self.fields.on_apply(
            self.live, config, api_version=version, manager=manager, force=force, now=self.now(), **more
        )
        assert self.live == before, "an apply leaves the live object alone"
        result["metadata"].update({"uid": "u", "resourceVersion": str(self.minute)})
        self.live = result
        return result

    @property
    def entries(self) -> list[dict[str, Any]]:
        assert self.live is not None
        return self.live["metadata"].get("managedFields") or []

    @property
    def owned(self) -> dict[str, Any]:
        """manager → its fields, in the order of the wire."""
        return {entry["manager"]: entry["fieldsV1"] for entry in self.entries}


def config_map(data: dict[str, Any] | None = None, **meta: Any) -> Object:
    obj: Object = {"metadata": {"name": "c", **meta}}
    if data is not None:
        obj["data"] = data
    return obj
