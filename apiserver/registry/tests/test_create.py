"""Creating: system fields, names, refusals, dry run; expectations are the real server's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import orjson
import pytest

from apiserver.apimachinery.errors import FieldError, StatusError
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import NAME_ALPHABET
from apiserver.registry.context import Context
from apiserver.registry.tests.world import WidgetStrategy, World, refused, virtual, widgets


@virtual()
async def test_a_new_object_gets_uid_time_namespace_and_generation(world: World) -> None:
    obj = await world.create("a", status={"ready": True})
    meta = obj["metadata"]
    assert (meta["name"], meta["namespace"], meta["generation"]) == ("a", "default", 1)
    assert meta["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert len(meta["uid"]) == 36
    assert meta["resourceVersion"] == str(await world.revision())
    assert "status" not in obj


@virtual()
async def test_what_is_stored_is_what_a_kube_apiserver_stores(world: World) -> None:
    obj = await world.create("a", meta={"labels": {}, "annotations": None, "selfLink": "/x", "finalizers": []})
    stored = await world.stored()
    assert stored is not None
    uid = obj["metadata"]["uid"]
    assert stored.decode() == (
        '{"kind":"Widget","apiVersion":"test.example/v1","metadata":{"name":"a","namespace":"default",'
        f'"uid":"{uid}","generation":1,"creationTimestamp":"2026-01-01T00:00:00Z"}},"spec":{{"size":1}}}}'
    )


@virtual()
async def test_the_answer_is_what_a_read_shows(world: World) -> None:
    ctx = world.context()
    record = await world.store.create(ctx, {"metadata": {"name": "a"}, "spec": {"size": 1}})
    assert await world.store.get(ctx, "a") == record


@virtual()
async def test_a_generated_name_has_five_characters_of_upstreams_alphabet(world: World) -> None:
    record = await world.store.create(world.context(), {"metadata": {"generateName": "web-"}, "spec": {"size": 1}})
    assert record.name.startswith("web-") and len(record.name) == 9
    assert set(record.name[4:]) <= set(NAME_ALPHABET)
    long = "x" * 80
    record = await world.store.create(world.context(), {"metadata": {"generateName": long}, "spec": {"size": 1}})
    assert len(record.name) == 63


@virtual()
async def test_a_taken_generated_name_is_tried_eight_times(world: World) -> None:
    taken = {"suffix": 0}

    def suffix(length: int = 5) -> str:
        taken["suffix"] += 1
        return "bbbbb"

    world.rand.suffix = suffix  # type: ignore[method-assign]
    await world.create("a-bbbbb")
    error = await refused(
        world.store.create(world.context(), {"metadata": {"generateName": "a-"}, "spec": {"size": 1}})
    )
    assert taken["suffix"] == 8
    assert error.message == (
        'widgets.test.example "a-bbbbb" already exists, the server was not able to generate a unique name for the object'
    )
    assert error.details == {"name": "a-bbbbb", "group": "test.example", "kind": "widgets", "retryAfterSeconds": 1}


@virtual()
async def test_a_taken_name_is_a_409(world: World) -> None:
    await world.create("a", meta={"finalizers": ["example.com/keep"]})
    error = await refused(world.create("a"))
    assert (error.code, error.reason) == (409, "AlreadyExists")
    assert error.message == 'widgets.test.example "a" already exists'
    assert error.details == {"name": "a", "group": "test.example", "kind": "widgets"}
    await world.delete("a")
    error = await refused(world.create("a"))
    assert error.message == 'object is being deleted: widgets.test.example "a" already exists'


@virtual()
async def test_an_invalid_object_is_a_422_with_every_finding(world: World) -> None:
    error = await refused(world.store.create(world.context(), {"metadata": {"name": "A_", "labels": {"-": "x"}}}))
    assert (error.code, error.reason) == (422, "Invalid")
    assert error.message.startswith('Widget.test.example "A_" is invalid: [metadata.name: Invalid value: "A_": ')
    assert error.details is not None
    fields = [cause["field"] for cause in error.details["causes"]]
    assert fields == ["metadata.name", "metadata.labels", "spec.size"]
    assert await world.stored("A_") is None


@virtual()
async def test_a_nameless_object_is_refused(world: World) -> None:
    error = await refused(world.store.create(world.context(), {"metadata": {}, "spec": {"size": 1}}))
    assert error.message == (
        'Widget.test.example "" is invalid: metadata.name: Required value: name or generateName is required'
    )


@virtual()
async def test_another_namespace_in_the_object_is_a_400(world: World) -> None:
    error = await refused(world.create("a", meta={"namespace": "other"}))
    assert (error.code, error.message) == (
        400,
        "the namespace of the provided object does not match the namespace sent on the request",
    )


@virtual(widgets(namespaced=False))
async def test_a_cluster_scoped_object_loses_its_namespace(world: World) -> None:
    record = await world.store.create(
        world.context(namespace=""), {"metadata": {"name": "a", "namespace": "x"}, "spec": {"size": 1}}
    )
    assert record.key == "/registry/widgets/a"
    assert "namespace" not in world.store.object(record)["metadata"]


@virtual()
async def test_a_resource_version_on_a_new_object_is_refused_by_storage_only(world: World) -> None:
    obj = {"metadata": {"name": "a", "resourceVersion": "5"}, "spec": {"size": 1}}
    error = await refused(world.store.create(world.context(), orjson.loads(orjson.dumps(obj))))
    assert error.status() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "resourceVersion should not be set on objects to be created",
        "code": 500,
    }
    record = await world.store.create(world.context(dry_run=True), obj)
    assert world.store.object(record)["metadata"]["resourceVersion"] == "5"


@virtual()
async def test_a_dry_run_writes_nothing_and_uses_no_revision(world: World) -> None:
    before = await world.revision()
    record = await world.store.create(world.context(dry_run=True), {"metadata": {"name": "a"}, "spec": {"size": 1}})
    obj = world.store.object(record)
    assert "resourceVersion" not in obj["metadata"] and obj["metadata"]["uid"]
    assert await world.revision() == before
    assert await world.stored() is None
    await world.create("a")
    error = await refused(
        world.store.create(world.context(dry_run=True), {"metadata": {"name": "a"}, "spec": {"size": 1}})
    )
    assert error.reason == "AlreadyExists"


@virtual()
async def test_validating_admission_sees_the_finished_object_and_may_refuse(world: World) -> None:
    seen: list[Object] = []

    async def validate(obj: Object) -> None:
        seen.append(obj)
        raise StatusError(403, "Forbidden", "no")

    with pytest.raises(StatusError):
        await world.store.create(world.context(), {"metadata": {"name": "a"}, "spec": {"size": 1}}, validate=validate)
    assert seen[0]["metadata"]["generation"] == 1
    assert await world.stored() is None


@virtual()
async def test_warnings_of_the_kind_are_collected(world: World) -> None:
    ctx = world.context()
    await world.store.create(ctx, {"metadata": {"name": "a"}, "spec": {"size": 1, "old": True}})
    assert ctx.warnings == ["spec.old is deprecated"]


@virtual(widgets(ttl=lambda obj: 60.0))
async def test_an_object_with_a_time_to_live_goes_by_itself(world: World) -> None:
    await world.create("a")
    await asyncio.sleep(59)
    assert await world.stored() is not None
    await asyncio.sleep(2)
    assert await world.stored() is None


class _Journal:
    """Hooks that write down what they are told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def begin_create(self, ctx: object, obj: Object) -> object:
        self.said.append(f"begin create {obj['metadata']['name']}")

        async def finish(success: bool) -> None:
            self.said.append(f"finish {success}")

        return finish

    async def begin_update(self, ctx: object, obj: Object, old: Object) -> object:
        self.said.append("begin update")

        async def finish(success: bool) -> None:
            self.said.append(f"finish {success}")

        return finish

    async def after_delete(self, ctx: object, obj: Object) -> None:
        self.said.append(f"deleted {obj['metadata']['name']}")


@virtual()
async def test_hooks_are_told_how_each_write_ended(world: World) -> None:
    journal = _Journal()
    world.store.set_hooks(journal)  # type: ignore[arg-type]
    await world.create("a")
    await refused(world.create("a"))
    await world.change(lambda obj: obj["spec"].update(size=2))
    await refused(world.change(lambda obj: obj["metadata"].update(resourceVersion="1")))
    await world.delete()
    assert journal.said == [
        "begin create a",
        "finish True",
        "begin create a",
        "finish False",
        "begin update",
        "finish True",
        "deleted a",
    ]


class LooseStrategy(WidgetStrategy):
    """A kind that does not look at metadata, as events."""

    def metadata_errors(self, obj: Object) -> Iterable[FieldError]:
        return ()


@virtual(widgets(LooseStrategy()))
async def test_a_kind_that_does_not_look_at_metadata_has_it_checked_all_the_same(world: World) -> None:
    assert (await world.create("Any Name!"))["metadata"]["name"] == "Any Name!"
    for meta, field in (({"name": "a/b"}, "name"), ({"name": ""}, "name"), ({"labels": {"-": "x"}}, "labels")):
        error = await refused(world.create("a", meta=meta))
        assert error.details is not None and error.details["causes"][0]["field"] == f"metadata.{field}"


class NamingStrategy(WidgetStrategy):
    def generate_name(self, ctx: Context, prefix: str) -> str:
        return prefix


@virtual(widgets(NamingStrategy()))
async def test_a_kind_may_generate_names_in_its_own_way(world: World) -> None:
    record = await world.store.create(world.context(), {"metadata": {"generateName": "just-this"}, "spec": {"size": 1}})
    assert record.name == "just-this"
