"""Updating: the optimistic lock, what cannot change, no-ops, races, create on update."""

from __future__ import annotations

import orjson

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.registry.strategy import StatusStrategy, Strategy
from apiserver.registry.tests.world import WidgetStrategy, World, refused, virtual, widgets

OPTIMISTIC_LOCK = (
    'Operation cannot be fulfilled on widgets.test.example "a": the object has been modified; '
    "please apply your changes to the latest version and try again"
)


class CreatingStrategy(WidgetStrategy):
    allow_create_on_update = True


class StrictStrategy(WidgetStrategy):
    allow_unconditional_update = False


@virtual()
async def test_an_update_with_an_old_resource_version_is_a_conflict(world: World) -> None:
    obj = await world.create()
    await world.change(lambda o: o["spec"].update(size=2))
    error = await refused(world.put(obj))
    assert (error.code, error.reason, error.message) == (409, "Conflict", OPTIMISTIC_LOCK)
    assert error.details == {"name": "a", "group": "test.example", "kind": "widgets"}


@virtual()
async def test_an_update_without_a_resource_version_wins(world: World) -> None:
    obj = await world.create()
    await world.change(lambda o: o["spec"].update(size=2))
    del obj["metadata"]["resourceVersion"]
    changed, created = await world.put({**obj, "spec": {"size": 3}})
    assert changed["spec"] == {"size": 3} and not created


@virtual(widgets(StrictStrategy()))
async def test_a_kind_may_insist_on_a_resource_version(world: World) -> None:
    obj = await world.create()
    del obj["metadata"]["resourceVersion"]
    error = await refused(world.put(obj))
    assert error.status()["message"] == (
        'widgets.test.example "a" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update'
    )


@virtual()
async def test_a_resource_version_that_is_no_number_is_refused_in_gos_words(world: World) -> None:
    obj = await world.create()
    obj["metadata"]["resourceVersion"] = "abc"
    error = await refused(world.put(obj))
    assert (error.code, error.message) == (500, 'strconv.ParseUint: parsing "abc": invalid syntax')


@virtual()
async def test_an_update_of_what_is_missing_is_a_404(world: World) -> None:
    error = await refused(world.put({"metadata": {"name": "a"}, "spec": {"size": 1}}))
    assert (error.code, error.message) == (404, 'widgets.test.example "a" not found')


@virtual(widgets(CreatingStrategy()))
async def test_a_kind_may_be_created_by_an_update(world: World) -> None:
    obj, created = await world.put({"metadata": {"name": "a", "uid": "client's"}, "spec": {"size": 1}})
    assert created
    assert obj["metadata"]["uid"] != "client's"
    assert obj["metadata"]["generation"] == 1


@virtual()
async def test_an_update_to_the_same_writes_nothing(world: World) -> None:
    obj = await world.create()
    before = await world.revision()
    same, _ = await world.put(obj)
    assert same == obj
    assert await world.revision() == before


@virtual()
async def test_equal_means_equal_in_bytes(world: World) -> None:
    obj = await world.create("a", spec={"size": 1, "flag": 1})
    obj["spec"]["flag"] = True
    changed, _ = await world.put(obj)
    assert changed["spec"]["flag"] is True
    assert changed["metadata"]["resourceVersion"] != obj["metadata"]["resourceVersion"]


@virtual()
async def test_equal_does_not_depend_on_the_order_of_keys(world: World) -> None:
    key = "/registry/widgets/default/a"
    goes = b'{"kind":"Widget","apiVersion":"test.example/v1","metadata":{"generation":1,"uid":"u","name":"a",'
    goes += b'"creationTimestamp":"2026-01-01T00:00:00Z","namespace":"default"},"spec":{"size":1}}\n'
    revision = await world.storage.put(key, goes, expected=0)
    same = await world.change(lambda o: None)
    assert same["metadata"]["resourceVersion"] == str(revision)


@virtual(widgets(storage_group_version="test.example/v1"))
async def test_a_stale_stored_form_is_written_anew(world: World) -> None:
    key = "/registry/widgets/default/a"
    old = {"kind": "Widget", "apiVersion": "test.example/v1alpha1", "metadata": {"name": "a", "namespace": "default"}}
    old["metadata"].update(uid="u", generation=1, creationTimestamp="2026-01-01T00:00:00Z")  # type: ignore[attr-defined]
    revision = await world.storage.put(key, orjson.dumps({**old, "spec": {"size": 1}}), expected=0)
    same = await world.change(lambda o: None)
    assert int(same["metadata"]["resourceVersion"]) > revision
    assert orjson.loads(await world.stored() or b"")["apiVersion"] == "test.example/v1"


@virtual()
async def test_a_no_op_is_not_judged_on_an_outdated_cache(world: World) -> None:
    obj = await world.create()
    stale = await world.store.get(world.context(), "a")
    await world.change(lambda o: o["spec"].update(size=2))
    world.store._writer.cached = lambda key: stale
    runs = []

    async def updater(old: Object | None) -> Object:
        assert old is not None
        runs.append(old["spec"]["size"])
        return {**obj, "metadata": {**obj["metadata"], "resourceVersion": ""}}

    record, _ = await world.store.update(world.context(), "a", updater)
    assert runs == [1, 2]
    assert world.store.object(record)["spec"] == {"size": 1}


@virtual()
async def test_a_refusal_judged_on_an_outdated_cache_is_judged_again(world: World) -> None:
    await world.create()
    stale = await world.store.get(world.context(), "a")
    current = await world.change(lambda o: o["spec"].update(size=2))
    world.store._writer.cached = lambda key: stale
    changed, _ = await world.put({**current, "spec": {"size": 3}})
    assert changed["spec"] == {"size": 3}


@virtual()
async def test_a_lost_race_runs_the_updater_on_what_won(world: World) -> None:
    await world.create("a", spec={"size": 1, "count": 0})
    seen: list[int] = []

    async def updater(old: Object | None) -> Object:
        assert old is not None
        seen.append(old["spec"]["count"])
        if len(seen) == 1:
            await world.change(lambda o: o["spec"].update(count=10))
        return {**old, "spec": {**old["spec"], "count": old["spec"]["count"] + 1}}

    record, _ = await world.store.update(world.context(), "a", updater)
    assert seen == [0, 10]
    assert world.store.object(record)["spec"]["count"] == 11


@virtual()
async def test_a_race_lost_to_a_delete_is_a_404(world: World) -> None:
    await world.create()

    async def updater(old: Object | None) -> Object:
        assert old is not None
        if await world.stored():
            await world.delete()
        return {**old, "spec": {"size": 2}}

    error = await refused(world.store.update(world.context(), "a", updater))
    assert error.code == 404


@virtual()
async def test_preconditions_are_checked_against_what_is_stored(world: World) -> None:
    obj = await world.create()
    error = await refused(world.put({**obj, "spec": {"size": 2}}, preconditions={"uid": "x"}))
    assert error.message == (
        'Operation cannot be fulfilled on widgets.test.example "a": StorageError: invalid object, Code: 4, '
        "Key: /registry/widgets/default/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: "
        f"UID in precondition: x, UID in object meta: {obj['metadata']['uid']}"
    )
    changed, _ = await world.put({**obj, "spec": {"size": 2}}, preconditions={"uid": obj["metadata"]["uid"]})
    assert changed["spec"] == {"size": 2}


@virtual()
async def test_system_fields_survive_what_clients_send(world: World) -> None:
    obj = await world.create()
    meta = obj["metadata"]
    sent = {"name": "a", "creationTimestamp": "1999-01-01T00:00:00Z", "generation": 99}
    changed, _ = await world.put({"metadata": sent, "spec": {"size": 1}})
    for field in ("uid", "creationTimestamp", "generation", "namespace"):
        assert changed["metadata"][field] == meta[field]


def test_what_a_put_may_create_a_put_of_its_status_may_too() -> None:
    parent = Strategy()
    assert not StatusStrategy(parent).allow_create_on_update
    parent.allow_create_on_update = True
    assert StatusStrategy(parent).allow_create_on_update


@virtual()
async def test_generation_follows_the_spec_and_nothing_else(world: World) -> None:
    await world.create()
    labelled = await world.change(lambda o: o["metadata"].update(labels={"a": "b"}))
    assert labelled["metadata"]["generation"] == 1
    changed = await world.change(lambda o: o["spec"].update(size=2))
    assert changed["metadata"]["generation"] == 2


@virtual()
async def test_the_main_resource_keeps_its_status_and_the_status_its_spec(world: World) -> None:
    await world.create()
    status = world.store.resource.subresources[0].strategy
    ready = await world.change(lambda o: o.update(spec={"size": 5}, status={"ready": True}), strategy=status)
    assert (ready["spec"], ready["status"]) == ({"size": 1}, {"ready": True})
    assert ready["metadata"]["generation"] == 1
    changed = await world.change(lambda o: o.update(spec={"size": 2}, status={"ready": False}))
    assert (changed["spec"], changed["status"]) == ({"size": 2}, {"ready": True})


@virtual()
async def test_an_invalid_change_is_a_422_and_not_written(world: World) -> None:
    await world.create()
    before = await world.stored()
    error = await refused(world.change(lambda o: o["spec"].clear()))
    assert error.message == 'Widget.test.example "a" is invalid: spec.size: Required value'
    error = await refused(world.change(lambda o: o["metadata"].update(uid="other")))
    assert (
        error.message == 'Widget.test.example "a" is invalid: metadata.uid: Invalid value: "other": field is immutable'
    )
    assert await world.stored() == before


@virtual()
async def test_a_dry_run_update_answers_with_the_stored_version_and_writes_nothing(world: World) -> None:
    obj = await world.create()
    before = await world.revision()
    changed = await world.change(lambda o: o["spec"].update(size=2), dry_run=True)
    assert changed["spec"] == {"size": 2} and changed["metadata"]["generation"] == 2
    assert changed["metadata"]["resourceVersion"] == obj["metadata"]["resourceVersion"]
    assert await world.revision() == before


@virtual()
async def test_times_of_managed_fields_alone_are_no_change(world: World) -> None:
    entry = {"manager": "m", "operation": "Update", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z"}
    obj = await world.create("a", meta={"managedFields": [entry]})
    later = {**entry, "time": "2026-01-02T00:00:00Z"}
    same = await world.change(lambda o: o["metadata"].update(managedFields=[later]))
    assert same == obj

    def both(o: Object) -> None:
        o["metadata"]["managedFields"] = [later]
        o["spec"]["size"] = 2

    changed = await world.change(both)
    assert changed["metadata"]["managedFields"] == [later]


@virtual()
async def test_validating_admission_sees_new_and_old_and_may_refuse(world: World) -> None:
    await world.create()
    seen: list[tuple[int, int]] = []

    async def validate(obj: Object, old: Object) -> None:
        seen.append((obj["spec"]["size"], old["spec"]["size"]))
        raise StatusError(403, "Forbidden", "no")

    await refused(world.change(lambda o: o["spec"].update(size=2), validate=validate))
    assert seen == [(2, 1)]


@virtual()
async def test_a_key_that_cannot_be_is_a_400(world: World) -> None:
    ctx = world.context()

    async def updater(old: Object | None) -> Object:
        raise AssertionError("not reached")

    error = await refused(world.store.update(ctx, "a/b", updater))
    assert (error.code, error.message) == (400, "Name parameter invalid: \"a/b\": may not contain '/'")
    error = await refused(world.store.update(ctx, "..", updater))
    assert error.message == "Name parameter invalid: \"..\": may not be '..'"
