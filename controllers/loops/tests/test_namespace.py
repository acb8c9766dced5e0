"""A namespace that is deleted loses its pods, then the rest, then itself; what holds it up stands in its conditions."""

from __future__ import annotations

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import MERGE_PATCH
from controllers.framework.kinds import CONFIG_MAPS, NAMESPACES, PODS, SECRETS, SERVICE_ACCOUNTS
from controllers.loops.namespace import Findings, conditions_after
from controllers.loops.tests.builders import make_node, pod
from controllers.tests.worlds import LoopWorld, loop_world

LOOP = "namespace-controller"


async def _namespace(w: LoopWorld) -> Object | None:
    return await w.find(NAMESPACES, "one", "")


async def _conditions(w: LoopWorld) -> dict[str, tuple[str, str, str]]:
    namespace = await _namespace(w)
    assert namespace is not None
    found = namespace["status"].get("conditions") or ()
    return {c["type"]: (c["status"], c["reason"], c["message"]) for c in found}


async def _fill(w: LoopWorld, **finalizers: list[str]) -> None:
    await w.resource(NAMESPACES).create({"metadata": {"name": "one"}})
    await w.resource(SERVICE_ACCOUNTS).create({"metadata": {"name": "default"}}, "one")
    held = {"name": "settings", "finalizers": finalizers.get("config_map", [])}
    await w.resource(CONFIG_MAPS).create({"metadata": held}, "one")
    await w.resource(SECRETS).create({"metadata": {"name": "s"}}, "one")


def test_conditions_say_all_is_well_or_what_is_not_and_since_when() -> None:
    fine = conditions_after([], Findings().troubles(), "t1")
    assert fine is not None
    assert [c["type"] for c in fine] == [
        "NamespaceDeletionDiscoveryFailure",
        "NamespaceDeletionGroupVersionParsingFailure",
        "NamespaceDeletionContentFailure",
        "NamespaceContentRemaining",
        "NamespaceFinalizersRemaining",
    ]
    assert {c["status"] for c in fine} == {"False"}
    assert conditions_after(fine, Findings().troubles(), "t2") is None
    found = Findings()
    found.remaining[GroupVersionResource("", "v1", "configmaps")] = 2
    found.finalizers["example.com/f"] = 2
    after = conditions_after(fine, found.troubles(), "t2")
    assert after is not None
    by_type = {c["type"]: c for c in after}
    remaining = by_type["NamespaceContentRemaining"]
    assert remaining["message"] == "Some resources are remaining: configmaps. has 2 resource instances"
    assert (remaining["status"], remaining["lastTransitionTime"]) == ("True", "t2")
    assert by_type["NamespaceDeletionContentFailure"]["lastTransitionTime"] == "t1"


def test_a_namespace_goes_with_its_content_five_seconds_after_its_deletion() -> None:
    async def main() -> None:
        async with loop_world(LOOP) as w:
            await _fill(w)
            await w.resource(NAMESPACES).delete("one")
            await w.settle(4)
            terminating = await _namespace(w)
            assert terminating is not None and terminating["status"]["phase"] == "Terminating"
            assert await w.find(CONFIG_MAPS, "settings", "one") is not None
            await w.settle(2)
            assert await _namespace(w) is None
            for resource in (CONFIG_MAPS, SECRETS, SERVICE_ACCOUNTS):
                assert await w.all(resource, "one") == []

    run_virtual(main())


def test_nothing_else_is_deleted_while_pods_remain() -> None:
    async def main() -> None:
        async with loop_world(LOOP) as w:
            await make_node(w, "n1")
            await _fill(w)
            await w.resource(PODS).create(pod("a", node="n1"), "one")
            await w.resource(NAMESPACES).delete("one")
            await w.settle(10)
            (a,) = await w.all(PODS, "one")
            assert a["metadata"].get("deletionTimestamp")
            assert await w.find(CONFIG_MAPS, "settings", "one") is not None
            conditions = await _conditions(w)
            assert conditions["NamespaceContentRemaining"][0] == "False"  # as upstream: pods are not told of
            await w.finish_deletions("one")
            await w.settle(20)
            assert await _namespace(w) is None

    run_virtual(main())


def test_what_finalizers_hold_is_told_until_they_let_go() -> None:
    async def main() -> None:
        async with loop_world(LOOP) as w:
            await _fill(w, config_map=["example.com/hold"])
            await w.resource(NAMESPACES).delete("one")
            await w.settle(10)
            conditions = await _conditions(w)
            assert conditions["NamespaceContentRemaining"] == (
                "True",
                "SomeResourcesRemain",
                "Some resources are remaining: configmaps. has 1 resource instances",
            )
            assert conditions["NamespaceFinalizersRemaining"] == (
                "True",
                "SomeFinalizersRemain",
                "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
            )
            assert conditions["NamespaceDeletionContentFailure"] == (
                "False",
                "ContentDeleted",
                "All content successfully deleted, may be waiting on finalization",
            )
            free = {"metadata": {"finalizers": None}}
            await w.resource(CONFIG_MAPS).patch("settings", "one", free, type=MERGE_PATCH)
            await w.settle(10)
            assert await _namespace(w) is None

    run_virtual(main())


def test_a_pod_that_outstays_its_grace_is_a_failure_and_tried_again() -> None:
    async def main() -> None:
        async with loop_world(LOOP) as w:
            await make_node(w, "n1")
            await _fill(w)
            await w.resource(PODS).create(pod("a", node="n1", terminationGracePeriodSeconds=5), "one")
            await w.resource(NAMESPACES).delete("one")
            await w.settle(30)
            status, reason, message = (await _conditions(w))["NamespaceDeletionContentFailure"]
            assert (status, reason) == ("True", "ContentDeletionFailed")
            assert message == (
                "Failed to delete all resource types, 1 remaining: failed to delete pods for namespace: one, err: "
                "unexpected items still remain in namespace: one for gvr: /v1, Resource=pods"
            )
            await w.finish_deletions("one")
            await w.settle(61)
            assert await _namespace(w) is None

    run_virtual(main())
