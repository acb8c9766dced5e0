"""Objects go with their owners: at once, after them, before them or not at all, as the deletion says."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import MERGE_PATCH
from controllers.framework.kinds import CONFIG_MAPS, EVENTS, NAMESPACES, SECRETS
from controllers.tests.worlds import LoopWorld, loop_world

GC = "garbage-collector-controller"


def owned_by(*owners: Object, block: bool = False) -> list[dict[str, Any]]:
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "blockOwnerDeletion": block,
        }
        for owner in owners
    ]


async def make(
    w: LoopWorld, name: str, *owners: Object, block: bool = False, namespace: str = "default", **meta: Any
) -> Object:
    """A ConfigMap that depends on others."""
    metadata = {"name": name, "ownerReferences": owned_by(*owners, block=block), **meta}
    return await w.resource(CONFIG_MAPS).create({"metadata": metadata}, namespace)


async def names(w: LoopWorld) -> list[str]:
    return [
        obj["metadata"]["name"] for obj in await w.all(CONFIG_MAPS) if obj["metadata"]["name"] != "kube-root-ca.crt"
    ]


def test_dependents_go_after_their_owner_generation_by_generation() -> None:
    async def main() -> None:
        async with loop_world(GC) as w:
            owner = await make(w, "owner")
            child = await make(w, "child", owner)
            await make(w, "grandchild", child)
            await make(w, "stranger")
            await w.settle()
            await w.resource(CONFIG_MAPS).delete("owner", "default", propagation="Background")
            await w.settle()
            assert await names(w) == ["stranger"]

    run_virtual(main())


def test_an_object_with_another_owner_stays_and_loses_the_reference_to_the_one_that_is_gone() -> None:
    async def main() -> None:
        async with loop_world(GC) as w:
            one, two = await make(w, "one"), await make(w, "two")
            await make(w, "child", one, two)
            await w.settle()
            await w.resource(CONFIG_MAPS).delete("one", "default")
            await w.settle()
            child = await w.find(CONFIG_MAPS, "child")
            assert child is not None
            assert [ref["name"] for ref in child["metadata"]["ownerReferences"]] == ["two"]

    run_virtual(main())


def test_orphaned_dependents_stay_without_the_reference() -> None:
    async def main() -> None:
        async with loop_world(GC) as w:
            await make(w, "child", await make(w, "owner"))
            await w.settle()
            await w.resource(CONFIG_MAPS).delete("owner", "default", propagation="Orphan")
            await w.settle()
            child = await w.find(CONFIG_MAPS, "child")
            assert await names(w) == ["child"]
            assert child is not None and "ownerReferences" not in child["metadata"]

    run_virtual(main())


def test_in_the_foreground_the_owner_waits_for_what_blocks_it() -> None:
    async def main() -> None:
        async with loop_world(GC) as w:
            owner = await make(w, "owner")
            await make(w, "blocking", owner, block=True, finalizers=["example.com/hold"])
            await make(w, "other", owner)
            await w.settle()
            await w.resource(CONFIG_MAPS).delete("owner", "default", propagation="Foreground")
            await w.settle(60)
            assert await names(w) == ["blocking", "owner"]
            held = await w.find(CONFIG_MAPS, "owner")
            assert held is not None and held["metadata"]["finalizers"] == ["foregroundDeletion"]
            release = {"metadata": {"finalizers": None}}
            await w.resource(CONFIG_MAPS).patch("blocking", "default", release, type=MERGE_PATCH)
            await w.settle()
            assert await names(w) == []

    run_virtual(main())


def test_in_the_foreground_the_owner_does_not_wait_for_what_does_not_block_it() -> None:
    async def main() -> None:
        async with loop_world(GC) as w:
            await make(w, "slow", await make(w, "owner"), finalizers=["example.com/hold"])
            await w.settle()
            await w.resource(CONFIG_MAPS).delete("owner", "default", propagation="Foreground")
            await w.settle()
            assert await names(w) == ["slow"]

    run_virtual(main())


def test_a_circle_of_owners_goes_in_the_foreground_too() -> None:
    """As the official suite: pod1 ← pod3 ← pod2 ← pod1, and the first is deleted."""

    async def main() -> None:
        async with loop_world(GC) as w:
            one, two, three = [await make(w, name) for name in ("one", "two", "three")]
            for child, owner in ((one, three), (two, one), (three, two)):
                patch = {"metadata": {"ownerReferences": owned_by(owner, block=True)}}
                await w.resource(CONFIG_MAPS).patch(child["metadata"]["name"], "default", patch, type=MERGE_PATCH)
            await w.settle()
            await w.resource(CONFIG_MAPS).delete("one", "default", propagation="Foreground")
            await w.settle()
            assert await names(w) == []

    run_virtual(main())


def test_an_owner_in_another_namespace_is_no_owner_and_that_is_told() -> None:
    async def main() -> None:
        async with loop_world(GC) as w:
            await w.resource(NAMESPACES).create({"metadata": {"name": "elsewhere"}})
            owner = await make(w, "owner", namespace="elsewhere")
            await w.settle()
            await make(w, "child", owner)
            await w.settle()
            assert await names(w) == []
            assert await w.find(CONFIG_MAPS, "owner", "elsewhere") is not None
            [event] = [e for e in await w.all(EVENTS) if e["reason"] == "OwnerRefInvalidNamespace"]
            uid = owner["metadata"]["uid"]
            named = f"[v1/ConfigMap, namespace: default, name: owner, uid: {uid}]"
            assert event["message"] == f'ownerRef {named} does not exist in namespace "default"'
            assert (event["type"], event["involvedObject"]["name"]) == ("Warning", "child")

    run_virtual(main())


def test_an_owner_that_never_was_takes_its_dependents_along() -> None:
    async def main() -> None:
        async with loop_world(GC) as w:
            ghost = {"metadata": {"name": "ghost", "uid": "11111111-1111-4111-8111-111111111111"}}
            await make(w, "child", ghost)
            await w.settle()
            assert await names(w) == []

    run_virtual(main())


def test_an_owner_of_the_same_name_made_anew_is_another_one() -> None:
    async def main() -> None:
        async with loop_world(GC) as w:
            owner = await make(w, "owner")
            await w.settle()
            await w.resource(CONFIG_MAPS).delete("owner", "default")
            await make(w, "owner")
            await make(w, "child", owner)
            await w.settle()
            assert await names(w) == ["owner"]

    run_virtual(main())


def test_dependents_of_another_kind_are_found() -> None:
    async def main() -> None:
        async with loop_world(GC) as w:
            owner = await make(w, "owner")
            secret = {"metadata": {"name": "child", "ownerReferences": owned_by(owner)}}
            await w.resource(SECRETS).create(secret, "default")
            await w.settle()
            await w.resource(CONFIG_MAPS).delete("owner", "default")
            await w.settle()
            assert await w.find(SECRETS, "child") is None

    run_virtual(main())


def test_a_thousand_dependents_go_within_seconds() -> None:
    async def main() -> None:
        async with loop_world(GC) as w:
            owner = await make(w, "owner")
            for i in range(1000):
                await make(w, f"child-{i}", owner)
            await w.resource(CONFIG_MAPS).delete("owner", "default", propagation="Background")
            await w.settle(20)
            assert await names(w) == []

    run_virtual(main())
