"""Each pod has claims of its own; they stay or go as the retention policy says."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import run_virtual
from controllers.framework.kinds import PERSISTENT_VOLUME_CLAIMS, PODS, STATEFUL_SETS
from controllers.loops.statefulset.tests.worlds import LOOP, claim_template, claims, pods, scale, start
from controllers.loops.tests.workloads import play, told, workload_world
from controllers.tests.worlds import LoopWorld

GC = "garbage-collector-controller"


async def with_claims(w: LoopWorld, deleted: str, scaled: str) -> None:
    policy = {"whenDeleted": deleted, "whenScaled": scaled}
    spec: dict[str, Any] = {"volumeClaimTemplates": [claim_template()], "persistentVolumeClaimRetentionPolicy": policy}
    await start(w, replicas=2, **spec)
    await play(w, 5)


async def release(w: LoopWorld) -> None:
    """Play the protection of claims: those that are being deleted and that no pod uses lose their finalizer."""
    for claim in await w.all(PERSISTENT_VOLUME_CLAIMS):
        if claim["metadata"].get("deletionTimestamp") and claim["metadata"].get("finalizers"):
            name = claim["metadata"]["name"]
            await w.resource(PERSISTENT_VOLUME_CLAIMS).patch(name, "default", {"metadata": {"finalizers": None}})


def test_pods_mount_their_claims_and_find_them_again() -> None:
    async def main() -> None:
        async with workload_world(LOOP, GC) as w:
            await with_claims(w, "Retain", "Retain")
            assert await claims(w) == ["data-web-0", "data-web-1"]
            pod, claim = await w.find(PODS, "web-1"), await w.find(PERSISTENT_VOLUME_CLAIMS, "data-web-1")
            assert pod is not None and claim is not None
            assert pod["spec"]["volumes"][0] == {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-1"}}
            assert claim["metadata"]["labels"] == {"app": "web"}
            assert "ownerReferences" not in claim["metadata"]
            assert "Create Claim data-web-0 Pod web-0 in StatefulSet web success" in await told(w, "SuccessfulCreate")
            await scale(w, 1)
            await play(w, 4)
            await scale(w, 2)
            await play(w, 4)
            again = await w.find(PERSISTENT_VOLUME_CLAIMS, "data-web-1")
            assert again is not None and again["metadata"]["uid"] == claim["metadata"]["uid"]
            await w.resource(STATEFUL_SETS).delete("web", "default", propagation="Background")
            await play(w, 5)
            assert await pods(w) == {} and len(await claims(w)) == 2

    run_virtual(main())


def test_claims_that_go_with_the_set_belong_to_it() -> None:
    async def main() -> None:
        async with workload_world(LOOP, GC) as w:
            await with_claims(w, "Delete", "Retain")
            claim = await w.find(PERSISTENT_VOLUME_CLAIMS, "data-web-0")
            assert claim is not None
            [owner] = claim["metadata"]["ownerReferences"]
            assert (owner["kind"], owner["name"], owner["controller"]) == ("StatefulSet", "web", True)
            await scale(w, 1)
            await play(w, 4)
            assert len(await claims(w)) == 2
            await w.resource(STATEFUL_SETS).delete("web", "default", propagation="Background")
            for _ in range(5):
                await play(w, 1)
                await release(w)
            assert await claims(w) == []

    run_virtual(main())


def test_claims_that_go_with_a_scaled_pod_belong_to_it_before_it_goes() -> None:
    async def main() -> None:
        async with workload_world(LOOP, GC) as w:
            await with_claims(w, "Retain", "Delete")
            kept = await w.find(PERSISTENT_VOLUME_CLAIMS, "data-web-1")
            assert kept is not None and "ownerReferences" not in kept["metadata"]
            await scale(w, 1)
            condemned = await w.find(PERSISTENT_VOLUME_CLAIMS, "data-web-1")
            assert condemned is not None
            assert [ref["kind"] for ref in condemned["metadata"]["ownerReferences"]] == ["Pod"]
            for _ in range(3):
                await play(w, 1)
                await release(w)
            assert await claims(w) == ["data-web-0"]
            await scale(w, 2)
            await play(w, 4)
            made = await w.find(PERSISTENT_VOLUME_CLAIMS, "data-web-1")
            assert made is not None and made["metadata"]["uid"] != kept["metadata"]["uid"]
            assert sorted(await pods(w)) == ["web-0", "web-1"]

    run_virtual(main())


def test_a_policy_that_changes_changes_the_owners_of_claims_that_are_there() -> None:
    async def main() -> None:
        async with workload_world(LOOP, GC) as w:
            await with_claims(w, "Retain", "Retain")
            policy = {"whenDeleted": "Delete", "whenScaled": "Delete"}
            await w.resource(STATEFUL_SETS).patch(
                "web", "default", {"spec": {"persistentVolumeClaimRetentionPolicy": policy}}
            )
            await play(w, 2)
            for claim in await w.all(PERSISTENT_VOLUME_CLAIMS):
                assert [ref["kind"] for ref in claim["metadata"]["ownerReferences"]] == ["StatefulSet"]

    run_virtual(main())


def test_a_pod_waits_while_its_claim_is_being_deleted() -> None:
    async def main() -> None:
        async with workload_world(LOOP, GC) as w:
            await with_claims(w, "Retain", "Retain")
            held = {"metadata": {"finalizers": ["example.com/hold"]}}
            await w.resource(PERSISTENT_VOLUME_CLAIMS).patch("data-web-1", "default", held)
            await w.resource(PERSISTENT_VOLUME_CLAIMS).delete("data-web-1", "default")
            await w.resource(PODS).delete("web-1", "default", grace_period=0)
            await w.settle(20)
            assert list(await pods(w)) == ["web-0"]
            await release(w)
            await play(w, 60)
            assert sorted(await pods(w)) == ["web-0", "web-1"]

    run_virtual(main())
