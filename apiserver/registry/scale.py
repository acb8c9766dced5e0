"""The scale subresource of any kind: an autoscaling/v1 Scale that stands for a few fields of the parent object.

Mirrors upstream registry/apps/deployment/storage (ScaleREST), apiextensions' customresource/etcd.go and managedfields'
scalehandler.go, with its habit: an update takes `replicas` away from owners of the parent that are no appliers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from apiserver.apimachinery import objects
from apiserver.apimachinery.errors import bad_request, internal_error, invalid, invalid_object
from apiserver.apimachinery.gvk import GroupKind, GroupVersionKind
from apiserver.apimachinery.object_meta import managed_fields_errors
from apiserver.apimachinery.objects import Object
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Since, Subresource
from apiserver.registry.rest import check_preconditions, told_key
from apiserver.registry.store import Store
from apiserver.registry.table import CREATED_DESCRIPTION, NAME_DESCRIPTION

SCALE = GroupVersionKind("autoscaling", "v1", "Scale")

UNSET = -2147483648  # the replicas of an object that has none, as upstream's customresource/etcd.go marks them

Path = tuple[str, ...]
Entry = dict[str, Any]

_COLUMNS = (
    Column("Name", lambda obj, now: obj["metadata"]["name"], description=NAME_DESCRIPTION),
    Column(
        "Desired",
        lambda obj, now: objects.get(obj, "spec", "replicas", default=0),
        type="integer",
        description="replicas is the desired number of instances for the scaled object.",
    ),
    Column(
        "Available",
        lambda obj, now: objects.get(obj, "status", "replicas", default=0),
        type="integer",
        description="replicas is the actual number of observed instances of the scaled object.",
    ),
    Column("Age", lambda obj, now: Since(obj["metadata"].get("creationTimestamp")), description=CREATED_DESCRIPTION),
)

_META = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
_REPLICAS: Entry = {"f:spec": {"f:replicas": {}}}


def scale_subresource(
    selector: Callable[[Object], str] | str = "",
    *,
    spec_replicas: str = ".spec.replicas",
    status_replicas: str = ".status.replicas",
    paths: Mapping[str, str] | None = None,
    required: bool = False,
) -> Subresource:
    """`/scale` for a kind. `selector` makes the pods' selector as text, or is the path of a field that holds it.

    `paths` names the replicas' path in other served apiVersions; `required`: an object without replicas cannot be scaled
    (custom resources).
    """
    return Subresource(
        name="scale",
        kind=SCALE,
        columns=_COLUMNS,
        rest=lambda dependencies, store: ScaleRest(
            store,
            selector=selector if callable(selector) else _text_at(split(selector)),
            spec=split(spec_replicas),
            status=split(status_replicas),
            paths={version: split(path) for version, path in (paths or {}).items()},
            required=required,
        ),
    )


def split(path: str) -> Path:
    """`.spec.replicas` as steps."""
    return tuple(path.removeprefix(".").split(".")) if path else ()


def _text_at(path: Path) -> Callable[[Object], str]:
    return lambda obj: objects.get(obj, *path, default="") if path else ""


class ScaleRest:
    """Reads and changes the Scale of one resource's objects."""

    def __init__(
        self,
        store: Store,
        *,
        selector: Callable[[Object], str],
        spec: Path,
        status: Path,
        paths: Mapping[str, Path],
        required: bool = False,
    ) -> None:
        self._store = store
        self._selector = selector
        self._spec = spec
        self._status = status
        self._required = required
        group = store.resource.group
        versions = [version.name for version in store.resource.versions]
        self._hub = GroupVersionKind(group, store.resource.storage_version, "").api_version
        self._paths = {GroupVersionKind(group, version, "").api_version: spec for version in versions}
        self._paths.update(paths)

    async def get(self, ctx: Context, name: str, *, resource_version: str = "") -> Object:
        obj = self._store.object(await self._store.get(ctx, name, resource_version=resource_version))
        scale = self._scale(obj)
        if self._required and objects.get(obj, *self._spec) is None:
            raise internal_error(f'the spec replicas field "{self._dotted}" does not exist')
        return scale

    async def update(
        self,
        ctx: Context,
        name: str,
        updater: Callable[[Object], Awaitable[Object]],
        options: Mapping[str, Any],
        admit: Callable[[Object, Object], Awaitable[None]],
    ) -> Object:
        async def update_parent(old: Object | None) -> Object:
            assert old is not None
            parent: Object = objects.copy(old)
            scale = await updater(self._old_scale(parent))
            self._check(ctx, name, scale, old)
            self._move(scale, parent)
            return parent

        async def validate(obj: Object, old: Object) -> None:
            await admit(self._scale(obj), self._scale(old))

        record, _ = await self._store.update(ctx, name, update_parent, validate=validate)
        return self._scale(self._store.object(record))

    @property
    def _dotted(self) -> str:
        return "." + ".".join(self._spec)

    def _scale(self, obj: Object) -> Object:
        """The object as a Scale, its managedFields left out."""
        meta = obj["metadata"]
        status: Object = {"replicas": objects.get(obj, *self._status, default=0)}
        if selector := self._selector(obj):
            status["selector"] = selector
        return {
            "kind": SCALE.kind,
            "apiVersion": SCALE.api_version,
            "metadata": {field: meta[field] for field in _META if meta.get(field)},
            "spec": _spec(objects.get(obj, *self._spec, default=0)),
            "status": status,
        }

    def _old_scale(self, parent: Object) -> Object:
        """What an update of the Scale starts from."""
        scale = self._scale(parent)
        if self._required and objects.get(parent, *self._spec) is None:
            scale["spec"] = _spec(UNSET)
        if entries := entries_for_scale(parent["metadata"].get("managedFields") or (), self._paths):
            scale["metadata"]["managedFields"] = entries
        return scale

    def _check(self, ctx: Context, name: str, scale: Object, old: Object) -> None:
        meta = scale["metadata"]
        resource = self._store.resource
        if uid := meta.get("uid"):
            key = told_key(ctx, resource.key(ctx.namespace, name))
            check_preconditions(resource.group_resource, name, key, {"uid": uid}, old)
        replicas = objects.get(scale, "spec", "replicas", default=0)
        if self._required and replicas == UNSET:
            raise bad_request(f'the spec replicas field "{self._dotted}" cannot be empty')
        found = list(managed_fields_errors(meta.get("managedFields") or (), "metadata.managedFields"))
        if replicas < 0:
            found.append(invalid("spec.replicas", replicas, "must be greater than or equal to 0"))
        if found:
            raise invalid_object(GroupKind(SCALE.group, SCALE.kind), name, found)

    def _move(self, scale: Object, parent: Object) -> None:
        """What a Scale may change goes into its parent: replicas, the optimistic lock, who owns the replicas."""
        meta = parent["metadata"]
        at = parent
        for step in self._spec[:-1]:
            at = at.setdefault(step, {})
        at[self._spec[-1]] = objects.get(scale, "spec", "replicas", default=0)
        if version := scale["metadata"].get("resourceVersion"):
            meta["resourceVersion"] = version
        elif not self._required:
            meta.pop("resourceVersion", None)
        owned = scale["metadata"].get("managedFields") or ()
        meta["managedFields"] = entries_for_parent(meta.get("managedFields") or (), owned, self._paths, self._hub)


def _spec(replicas: int) -> Object:
    return {"replicas": replicas} if replicas else {}


# managedFields of the parent and of its Scale


def entries_for_scale(entries: Sequence[Entry], paths: Mapping[str, Path]) -> list[Entry]:
    """The parent's entries that own its replicas, as entries of the Scale (upstream ScaleHandler.ToSubresource)."""
    owners = []
    for entry in _by_owner(entries).values():
        path = paths.get(entry.get("apiVersion") or "")
        if path and _owns(entry, path):
            owners.append({**entry, "apiVersion": SCALE.api_version, "fieldsV1": _REPLICAS})
    return sorted(owners, key=_order)


def entries_for_parent(
    entries: Sequence[Entry], scale_entries: Sequence[Entry], paths: Mapping[str, Path], api_version: str
) -> list[Entry]:
    """The parent's entries after its Scale's became `scale_entries` (upstream ScaleHandler.ToParent)."""
    parent, scale = _by_owner(entries), _by_owner(scale_entries)
    result: dict[tuple[str, ...], Entry] = {}
    for owner, entry in parent.items():
        known = paths.get(entry.get("apiVersion") or "")
        if known is None:
            continue
        if not known or not _owns(entry, known):
            result[owner] = entry
        elif owner in scale:
            result[owner] = entry
            del scale[owner]
        elif left := _without(entry.get("fieldsV1") or {}, [f"f:{step}" for step in known]):
            result[owner] = {**entry, "fieldsV1": left}
    fields: Any = {}
    for step in reversed(paths[api_version]):
        fields = {f"f:{step}": fields}
    for owner, entry in scale.items():
        if _owns(entry, ("spec", "replicas")):
            # Its time is lost, as upstream: it looks the time up among the parent's entries.
            time = parent[owner].get("time") if owner in parent else None
            moved = {**entry, "apiVersion": api_version, "fieldsV1": fields, "time": time}
            result[owner] = {key: value for key, value in moved.items() if value is not None}
    return sorted(result.values(), key=_order)


def _by_owner(entries: Sequence[Entry]) -> dict[tuple[str, ...], Entry]:
    """Entries by what identifies an owner; appliers are the same in every version."""
    owners: dict[tuple[str, ...], Entry] = {}
    for entry in entries:
        operation = entry.get("operation") or ""
        version = "" if operation == "Apply" else entry.get("apiVersion") or ""
        owners[(entry.get("manager") or "", operation, version, entry.get("subresource") or "")] = entry
    return owners


def _order(entry: Entry) -> tuple[str, ...]:
    fields = ("operation", "time", "manager", "apiVersion", "subresource")
    return tuple(entry.get(field) or "" for field in fields)


def _owns(entry: Entry, path: Path) -> bool:
    fields = entry.get("fieldsV1")
    for step in path:
        fields = fields.get(f"f:{step}") if isinstance(fields, dict) else None
    return fields is not None and (not fields or "." in fields)


def _without(fields: Entry, path: Sequence[str]) -> Entry:
    """The fields less the one at `path`, and less what is empty then."""
    step, rest = path[0], path[1:]
    left = _without(fields[step], rest) if rest else {}
    result = {key: value for key, value in fields.items() if key != step}
    if left:
        result[step] = left
    return {key: result[key] for key in fields if key in result}
