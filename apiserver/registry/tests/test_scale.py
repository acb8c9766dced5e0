"""The scale subresource: what a Scale shows, changes and refuses, and who owns replicas afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from apiserver.apimachinery import labels
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.registry.scale import UNSET, ScaleRest, entries_for_parent, entries_for_scale, scale_subresource
from apiserver.registry.tests.world import World, refused, virtual

PATHS = {"test.example/v1": ("spec", "size")}


def _selector(obj: Object) -> str:
    return str(labels.from_set(obj["spec"].get("labels")))


def scale_of(world: World, **changes: Any) -> ScaleRest:
    part = scale_subresource(
        changes.pop("selector", _selector), spec_replicas=".spec.size", status_replicas=".status.size", **changes
    )
    assert part.rest is not None
    rest: ScaleRest = part.rest(None, world.store)  # type: ignore[arg-type]
    return rest


async def _admit(obj: Object, old: Object) -> None:
    return None


def setting(**spec: Any) -> Callable[[Object], Awaitable[Object]]:
    """An updater that sets what it is given: spec's replicas, metadata's other names."""

    async def updater(old: Object) -> Object:
        meta = {"name": old["metadata"]["name"], **{k: v for k, v in spec.items() if k != "replicas"}}
        return {"metadata": meta, "spec": {"replicas": spec["replicas"]}}

    return updater


@virtual()
async def test_a_scale_shows_a_few_fields_of_its_parent(world: World) -> None:
    obj = await world.create("a", spec={"size": 3, "labels": {"b": "c", "a": "b"}}, meta={"labels": {"not": "shown"}})
    meta = {k: obj["metadata"][k] for k in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")}
    assert await scale_of(world).get(world.context(), "a") == {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": meta,
        "spec": {"replicas": 3},
        "status": {"replicas": 0, "selector": "a=b,b=c"},
    }


@virtual()
async def test_a_scale_is_as_new_as_asked(world: World) -> None:
    await world.create("a")
    error = await refused(scale_of(world).get(world.context(), "a", resource_version="x"))
    assert "strconv.ParseUint" in error.message
    ahead = str(await world.revision() + 1)
    error = await refused(scale_of(world).get(world.context(), "a", resource_version=ahead))
    assert (error.code, error.reason) == (504, "Timeout")


@virtual()
async def test_the_selector_may_be_a_field(world: World) -> None:
    await world.create("a", spec={"size": 3, "selector": "x=y"})
    scale = await scale_of(world, selector=".spec.selector").get(world.context(), "a")
    assert scale["status"] == {"replicas": 0, "selector": "x=y"}


@virtual()
async def test_scaling_changes_replicas_and_generation(world: World) -> None:
    await world.create("a", spec={"size": 1, "other": "kept"})
    scale = await scale_of(world).update(world.context(), "a", setting(replicas=5), {}, _admit)
    assert scale["spec"] == {"replicas": 5}
    obj = world.store.object(await world.store.get(world.context(), "a"))
    assert obj["spec"] == {"size": 5, "other": "kept"}
    assert obj["metadata"]["generation"] == 2
    assert scale["metadata"]["resourceVersion"] == obj["metadata"]["resourceVersion"]


@virtual()
async def test_a_dry_run_scales_nothing(world: World) -> None:
    await world.create()
    scale = await scale_of(world).update(world.context(dry_run=True), "a", setting(replicas=5), {}, _admit)
    assert scale["spec"] == {"replicas": 5}
    assert world.store.object(await world.store.get(world.context(), "a"))["spec"] == {"size": 1}


@virtual()
async def test_what_a_scale_may_not_say(world: World) -> None:
    obj = await world.create()
    rest, ctx = scale_of(world), world.context()
    error = await refused(rest.update(ctx, "a", setting(replicas=-2), {}, _admit))
    assert error.message == (
        'Scale.autoscaling "a" is invalid: spec.replicas: Invalid value: -2: must be greater than or equal to 0'
    )
    error = await refused(rest.update(ctx, "a", setting(replicas=2, uid="x"), {}, _admit))
    assert error.message.endswith(f"UID in precondition: x, UID in object meta: {obj['metadata']['uid']}")
    error = await refused(rest.update(ctx, "a", setting(replicas=2, resourceVersion="1"), {}, _admit))
    assert (error.code, error.reason) == (409, "Conflict")
    error = await refused(rest.update(ctx, "b", setting(replicas=2), {}, _admit))
    assert error.message == 'widgets.test.example "b" not found'


@virtual()
async def test_admission_sees_scales(world: World) -> None:
    await world.create()

    async def admit(obj: Object, old: Object) -> None:
        assert obj["kind"] == old["kind"] == "Scale"
        raise StatusError(403, "Forbidden", f"{old['spec']['replicas']} to {obj['spec']['replicas']}")

    error = await refused(scale_of(world).update(world.context(), "a", setting(replicas=5), {}, admit))
    assert error.message == "1 to 5"


@virtual()
async def test_an_object_without_replicas_may_not_be_scalable(world: World) -> None:
    part = scale_subresource(spec_replicas=".spec.replicas", required=True)
    assert part.rest is not None
    rest: ScaleRest = part.rest(None, world.store)  # type: ignore[arg-type]
    await world.create()
    error = await refused(rest.get(world.context(), "a"))
    assert error.message == 'Internal error occurred: the spec replicas field ".spec.replicas" does not exist'
    error = await refused(rest.update(world.context(), "a", setting(replicas=UNSET), {}, _admit))
    assert (error.code, error.message) == (400, 'the spec replicas field ".spec.replicas" cannot be empty')
    await rest.update(world.context(), "a", setting(replicas=4), {}, _admit)
    assert (await rest.get(world.context(), "a"))["spec"] == {"replicas": 4}


def entry(manager: str, fields: Any, operation: str = "Update", version: str = "test.example/v1", **more: Any) -> Any:
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": version,
        "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        **more,
    }


SIZE: Any = {"f:spec": {"f:size": {}}}
BOTH: Any = {"f:spec": {"f:other": {}, "f:size": {}}}
REPLICAS: Any = {"f:spec": {"f:replicas": {}}}


def test_owners_of_the_replicas_own_them_in_the_scale() -> None:
    entries = [entry("app", BOTH, "Apply"), entry("me", SIZE), entry("you", {"f:spec": {"f:other": {}}})]
    assert entries_for_scale(entries, PATHS) == [
        entry("app", REPLICAS, "Apply", "autoscaling/v1"),
        entry("me", REPLICAS, "Update", "autoscaling/v1"),
    ]


def test_an_applier_that_still_owns_the_replicas_keeps_its_entry() -> None:
    entries = [entry("app", BOTH, "Apply")]
    scale = entries_for_scale(entries, PATHS)
    assert entries_for_parent(entries, scale, PATHS, "test.example/v1") == entries


def test_a_new_owner_of_the_replicas_takes_them_from_the_parents_entry() -> None:
    entries = [entry("app", BOTH, "Apply")]
    scale = [entry("hpa", REPLICAS, "Update", "autoscaling/v1", subresource="scale")]
    moved = entry("hpa", SIZE, subresource="scale")
    del moved["time"]
    assert entries_for_parent(entries, scale, PATHS, "test.example/v1") == [
        entry("app", {"f:spec": {"f:other": {}}}, "Apply"),
        moved,
    ]


def test_an_updater_of_the_parent_is_split_as_upstream_splits_it() -> None:
    entries = [entry("creator", BOTH)]
    moved = entry("creator", SIZE)
    del moved["time"]
    assert entries_for_parent(entries, entries_for_scale(entries, PATHS), PATHS, "test.example/v1") == [
        moved,
        entry("creator", {"f:spec": {"f:other": {}}}),
    ]


@pytest.mark.parametrize("version", ["other/v1", ""])
def test_entries_of_unknown_versions_are_dropped(version: str) -> None:
    assert entries_for_parent([entry("me", SIZE, version=version)], [], PATHS, "test.example/v1") == []
