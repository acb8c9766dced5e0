"""Deleting: at once, with grace, with finalizers, by policy, many at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apiserver.apimachinery import labels
from apiserver.apimachinery.objects import Object
from apiserver.registry.context import Context
from apiserver.registry.deleting import deletion_finalizers
from apiserver.registry.list_options import ListOptions
from apiserver.registry.tests.world import GracefulStrategy, WidgetStrategy, World, refused, virtual, widgets

KEEP = {"finalizers": ["example.com/keep"]}


@virtual()
async def test_an_object_without_finalizers_goes_at_once(world: World) -> None:
    obj = await world.create()
    deletion = await world.delete()
    assert deletion.gone and deletion.finalized
    assert await world.stored() is None
    shown = world.store.object(deletion.record)
    assert shown["metadata"].pop("resourceVersion") == str(await world.revision())
    del obj["metadata"]["resourceVersion"]
    assert shown == obj
    assert (await refused(world.delete())).message == 'widgets.test.example "a" not found'


@virtual()
async def test_finalizers_keep_an_object_until_the_last_is_taken(world: World) -> None:
    await world.create("a", meta=KEEP)
    await asyncio.sleep(10)
    deletion = await world.delete()
    obj = world.store.object(deletion.record)
    assert not deletion.gone and not deletion.finalized
    assert obj["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:10Z"
    assert (obj["metadata"]["deletionGracePeriodSeconds"], obj["metadata"]["generation"]) == (0, 2)
    await asyncio.sleep(10)
    again = await world.delete()
    assert again.record == deletion.record
    last = await world.change(lambda o: o["metadata"].pop("finalizers"))
    assert "finalizers" not in last["metadata"]
    assert last["metadata"]["resourceVersion"] == obj["metadata"]["resourceVersion"]
    assert await world.stored() is None


@virtual()
async def test_no_finalizer_joins_a_terminating_object(world: World) -> None:
    await world.create("a", meta=KEEP)
    await world.delete()
    error = await refused(world.change(lambda o: o["metadata"]["finalizers"].append("example.com/new")))
    assert error.message == (
        'Widget.test.example "a" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is '
        'being deleted, found new finalizers []string{"example.com/new"}'
    )


@virtual()
async def test_an_update_cannot_take_back_a_deletion(world: World) -> None:
    await world.create("a", meta=KEEP)
    deleted = world.store.object((await world.delete()).record)
    sent = {"name": "a", "finalizers": KEEP["finalizers"], "resourceVersion": deleted["metadata"]["resourceVersion"]}
    changed, _ = await world.put({"metadata": sent, "spec": {"size": 2}})
    for field in ("deletionTimestamp", "deletionGracePeriodSeconds"):
        assert changed["metadata"][field] == deleted["metadata"][field]


@pytest.mark.parametrize(
    ("finalizers", "options", "default", "expected"),
    [
        ([], {}, "background", []),
        ([], {}, "orphan", ["orphan"]),
        ([], {"propagationPolicy": "Background"}, "orphan", []),
        (["x/y"], {"propagationPolicy": "Foreground"}, "background", ["x/y", "foregroundDeletion"]),
        (["x/y"], {"propagationPolicy": "Orphan"}, "background", ["x/y", "orphan"]),
        (["orphan"], {"propagationPolicy": "Foreground"}, "background", ["foregroundDeletion"]),
        (["orphan"], {}, "background", ["orphan"]),
        (["foregroundDeletion"], {}, "orphan", ["foregroundDeletion"]),
        (["foregroundDeletion"], {"orphanDependents": True}, "background", ["orphan"]),
        (["foregroundDeletion"], {"orphanDependents": False}, "background", []),
    ],
)
def test_the_collectors_finalizers_follow_options_then_object_then_kind(
    finalizers: list[str], options: dict[str, Any], default: str, expected: list[str]
) -> None:
    assert deletion_finalizers(finalizers, options, default) == expected


@virtual()
async def test_foreground_deletion_leaves_the_object_to_the_collector(world: World) -> None:
    await world.create()
    deletion = await world.delete(propagationPolicy="Foreground")
    obj = world.store.object(deletion.record)
    assert obj["metadata"]["finalizers"] == ["foregroundDeletion"] and obj["metadata"]["deletionTimestamp"]
    assert await world.stored() is not None


@virtual()
async def test_preconditions_of_a_delete_are_checked(world: World) -> None:
    obj = await world.create()
    meta = obj["metadata"]
    error = await refused(world.delete(preconditions={"uid": "x"}))
    assert error.message == (
        'Operation cannot be fulfilled on Widget.test.example "a": the UID in the precondition (x) does not match the UID '
        f"in record ({meta['uid']}). The object might have been deleted and then recreated"
    )
    error = await refused(world.delete(preconditions={"resourceVersion": "1"}))
    assert error.message == (
        'Operation cannot be fulfilled on Widget.test.example "a": the ResourceVersion in the precondition (1) does not match '
        f"the ResourceVersion in record ({meta['resourceVersion']}). The object might have been modified"
    )
    assert (await world.delete(preconditions={"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]})).gone


@virtual(widgets(GracefulStrategy()))
async def test_grace_keeps_an_object_and_only_shrinks(world: World) -> None:
    await world.create()
    first = await world.delete()
    meta = world.store.object(first.record)["metadata"]
    assert not first.gone
    assert (meta["deletionTimestamp"], meta["deletionGracePeriodSeconds"]) == ("2026-01-01T00:00:30Z", 30)
    assert meta["generation"] == 2
    for period in (None, 30, 60):
        longer = await world.delete(gracePeriodSeconds=period)
        assert longer.record == first.record and not longer.gone and longer.finalized
    shorter = world.store.object((await world.delete(gracePeriodSeconds=5)).record)["metadata"]
    assert (shorter["deletionTimestamp"], shorter["deletionGracePeriodSeconds"]) == ("2026-01-01T00:00:05Z", 5)
    assert shorter["generation"] == 2


@virtual(widgets(GracefulStrategy()))
async def test_a_shorter_grace_never_ends_in_the_past(world: World) -> None:
    await world.create()
    await world.delete()
    await asyncio.sleep(20)
    meta = world.store.object((await world.delete(gracePeriodSeconds=5)).record)["metadata"]
    assert (meta["deletionTimestamp"], meta["deletionGracePeriodSeconds"]) == ("2026-01-01T00:00:20Z", 1)


@virtual(widgets(GracefulStrategy()))
async def test_no_grace_deletes_now_in_two_revisions(world: World) -> None:
    await world.create()
    before = await world.revision()
    deletion = await world.delete(gracePeriodSeconds=0)
    assert deletion.gone and deletion.finalized
    assert await world.stored() is None
    assert await world.revision() == before + 2
    meta = world.store.object(deletion.record)["metadata"]
    assert (meta["deletionGracePeriodSeconds"], meta["resourceVersion"]) == (0, str(before + 2))


@virtual(widgets(GracefulStrategy()))
async def test_a_negative_grace_is_one_second(world: World) -> None:
    await world.create()
    meta = world.store.object((await world.delete(gracePeriodSeconds=-7)).record)["metadata"]
    assert meta["deletionGracePeriodSeconds"] == 1


@virtual(widgets(GracefulStrategy()))
async def test_an_object_with_finalizers_stays_after_its_grace(world: World) -> None:
    await world.create("a", meta=KEEP)
    deletion = await world.delete(gracePeriodSeconds=0)
    assert not deletion.gone
    assert await world.stored() is not None
    await world.change(lambda o: o["metadata"].pop("finalizers"))
    assert await world.stored() is None


@virtual(widgets(GracefulStrategy()))
async def test_an_update_within_the_grace_does_not_delete(world: World) -> None:
    await world.create()
    await world.delete(gracePeriodSeconds=30)
    changed = await world.change(lambda o: o["metadata"].update(labels={"a": "b"}))
    assert changed["metadata"]["deletionGracePeriodSeconds"] == 30
    assert await world.stored() is not None


@virtual()
async def test_a_dry_run_delete_leaves_everything(world: World) -> None:
    await world.create()
    await world.create("b", meta=KEEP)
    before = await world.revision()
    assert (await world.delete(dry_run=True)).gone
    kept = await world.delete("b", dry_run=True)
    assert world.store.object(kept.record)["metadata"]["deletionTimestamp"]
    assert await world.revision() == before
    assert await world.stored() is not None


@virtual()
async def test_a_lost_race_deletes_what_won(world: World) -> None:
    await world.create()
    seen: list[int] = []

    async def validate(old: Object) -> None:
        seen.append(old["spec"]["size"])
        if len(seen) == 1:
            await world.change(lambda o: o["spec"].update(size=2))

    _, gone = await world.store.delete(world.context(), "a", {}, validate=validate)
    assert gone and seen == [1, 2]


@virtual()
async def test_a_collection_goes_by_selector_and_limit(world: World) -> None:
    for number in range(5):
        await world.create(f"a{number}", meta={"labels": {"even": str(number % 2 == 0)}})
    even = ListOptions(label_selector=labels.parse("even=True"), limit=2)
    listing = await world.store.delete_collection(world.context(), {}, even)
    assert [record.name for record in listing.records] == ["a0", "a2"]
    assert listing.continue_token
    listing = await world.store.delete_collection(world.context(), {}, ListOptions())
    assert [record.name for record in listing.records] == ["a1", "a3", "a4"]
    listing = await world.store.delete_collection(world.context(), {}, ListOptions())
    assert list(listing.records) == []


class TerminatingStrategy(WidgetStrategy):
    """Begins its end by an update, as namespaces do."""

    def terminate(self, ctx: Context, obj: Object, options: dict[str, Any]) -> bool:
        if obj["metadata"].get("deletionTimestamp"):
            return bool(obj["spec"].get("busy"))
        obj["metadata"]["deletionTimestamp"] = ctx.timestamp()
        obj["status"] = {"phase": "Terminating"}
        return True

    def deletes_on_update(self, obj: Object, old: Object) -> bool:
        return not obj["spec"].get("busy")


@virtual(widgets(TerminatingStrategy()))
async def test_a_kind_may_end_by_an_update(world: World) -> None:
    await world.create("a", spec={"size": 1, "busy": True})
    first = await world.delete()
    assert world.store.object(first.record)["status"] == {"phase": "Terminating"}
    assert (await world.delete()).record == first.record
    await world.change(lambda o: o["spec"].update(busy=False))
    assert await world.stored() is None


@virtual()
async def test_only_what_cannot_be_read_is_deleted_unread(world: World) -> None:
    await world.create()
    error = await refused(world.store.delete_unreadable(world.context(), "a"))
    assert error.message == (
        'Operation cannot be fulfilled on widgets.test.example "a": StorageError: invalid object, Code: 4, '
        "Key: /registry/widgets/default/a, ResourceVersion: 0, AdditionalErrorMsg: unsafe deletion is not allowed because "
        "the object is decodable from storage"
    )
    await world.storage.put("/registry/widgets/default/b", b"k8s\0\xff", expected=0)
    await world.store.delete_unreadable(world.context(dry_run=True), "b")
    assert await world.stored("b") is not None
    await world.store.delete_unreadable(world.context(), "b")
    assert await world.stored("b") is None
    assert (await refused(world.store.delete_unreadable(world.context(), "c"))).code == 404
