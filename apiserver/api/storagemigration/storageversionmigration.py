"""StorageVersionMigration: the order to rewrite every object of one resource, and how far that has come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from apiserver.api.columns import NAME_DESCRIPTION, name_cell
from apiserver.api.core.pod_mutations import reset_metadata_for_status
from apiserver.api.relabel import relabel
from apiserver.api.strategy import KindStatusStrategy, KindStrategy, metadata_update_errors
from apiserver.api.validation.conditions import conditions_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, invalid, required
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.object_meta import IMMUTABLE
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource

CONDITION = ("type", "status", "observedGeneration", "lastTransitionTime", "reason", "message")
SUCCEEDED, FAILED, RUNNING = "Succeeded", "Failed", "Running"


class MigrationStrategy(KindStrategy):
    """Mirrors upstream registry/storagemigration/storagemigration and its validation."""

    namespaced = False
    allow_unconditional_update = False
    has_status = True

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        obj["status"] = {}

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        obj["status"] = old.get("status") or {}

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        name, group = (get(obj, "spec", "resource", field, default="") for field in ("resource", "group"))
        if not name:
            yield required("spec.resource.resource", "resource is required to be set")
        elif messages := formats.dns1035_label(name):
            yield invalid("spec.resource.resource", name, ",".join(messages))
        if group and (messages := formats.dns1123_subdomain(group)):
            yield invalid("spec.resource.group", group, ",".join(messages))

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from self.validate_whole(ctx, obj)
        yield from metadata_update_errors(obj, old)
        if obj.get("spec") != old.get("spec"):
            resource = get(obj, "spec", "resource", default={})
            shown = {field: resource.get(field) or "" for field in ("group", "resource")}
            yield invalid("spec", {"Resource": shown}, IMMUTABLE)


def _conditions(migration: Object) -> Sequence[Object]:
    return get(migration, "status", "conditions", default=())  # type: ignore[no-any-return]


def _is_true(migration: Object, kind: str) -> bool:
    first = next((c for c in _conditions(migration) if c.get("type") == kind), {})
    return first.get("status") == "True"


class MigrationStatusStrategy(KindStatusStrategy):
    """`/status`: only forward: a version that is fixed stays, an end is an end."""

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        super().prepare_for_update(ctx, obj, old)
        reset_metadata_for_status(obj["metadata"], old["metadata"])

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        version, before = (get(o, "status", "resourceVersion", default="") for o in (obj, old))
        if version and (why := _version_error(version)):
            yield invalid("status.resourceVersion", version, why)
        yield from conditions_errors(_conditions(obj), "status.conditions")
        if before and before != version:
            yield invalid("status.resourceVersion", version, "field is immutable")
        yield from _ends_errors(obj, old)

    def reset_fields(self, version: str) -> tuple[tuple[str, ...], ...]:
        return (("metadata",), ("spec",))


def _version_error(version: str) -> str:
    """Upstream resourceversion.CompareResourceVersion: a decimal number without leading zeros."""
    if version.isascii() and version.isdigit() and version[0] != "0":
        return ""
    return f"resource version is not well formed: {version}"


def _shown(condition: Object) -> Object:
    """In Go's order, as errors show it."""
    return {field: condition[field] for field in CONDITION if field in condition}


def _ends_errors(obj: Object, old: Object) -> Iterator[FieldError]:
    path, conditions = "status.conditions", [_shown(condition) for condition in _conditions(obj)]
    if _is_true(obj, SUCCEEDED) and _is_true(obj, FAILED):
        yield invalid(path, conditions, "Both success and failed conditions cannot be true at the same time")
    for kind, word in ((SUCCEEDED, "Success"), (FAILED, "Failed")):
        if _is_true(old, kind) and not _is_true(obj, kind):
            yield invalid(path, conditions, f"{word} condition cannot be set to false once it is true")


def _resource_cell(obj: Object, now: float) -> str:
    name, group = (get(obj, "spec", "resource", field, default="") for field in ("resource", "group"))
    return str(GroupResource(group, name))


def _status_cell(obj: Object, now: float) -> str:
    true = [c.get("type") for c in _conditions(obj) if c.get("status") == "True"]
    known = [kind for kind in true if kind in (RUNNING, FAILED, SUCCEEDED)]
    return known[-1] or "" if known else "Unknown"


STRATEGY = MigrationStrategy()
RESOURCE = Resource(
    group="storagemigration.k8s.io",
    plural="storageversionmigrations",
    kind="StorageVersionMigration",
    namespaced=False,
    versions=(ServedVersion("v1"),),
    storage_version="v1beta1",
    convert=relabel,
    strategy=STRATEGY,
    subresources=(Subresource(name="status", strategy=MigrationStatusStrategy(STRATEGY)),),
    empty={"spec": {"resource": {"group": "", "resource": ""}}, "status": {}},
    columns=(
        Column("Name", name_cell, description=NAME_DESCRIPTION),
        Column("Resource", _resource_cell, description="GroupResource to migrate"),
        Column("Status", _status_cell, description="Status of the migration"),
    ),
)
