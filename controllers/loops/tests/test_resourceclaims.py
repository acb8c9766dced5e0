"""Claims of pods: made from templates, reserved for pods that came to their nodes by themselves, given free afterwards."""

from __future__ import annotations

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import Object
from controllers.framework.kinds import PODS, RESOURCE_CLAIMS
from controllers.loops.resourceclaim.pods import ANNOTATION, generate_name
from controllers.loops.tests.builders import pod_world, tell, told
from controllers.loops.tests.devices import (
    allocate,
    claims,
    make_claim,
    make_template,
    make_user,
    the_claim,
)
from controllers.tests.worlds import LoopWorld

LOOP = "resourceclaim-controller"


async def _statuses(w: LoopWorld, name: str = "a") -> list[Object]:
    found = await w.resource(PODS).get(name, "default")
    return found["status"].get("resourceClaimStatuses") or []


def test_a_template_becomes_a_claim_of_the_pod_that_its_status_names() -> None:
    async def main() -> None:
        async with pod_world(LOOP) as w:
            await make_template(w)
            user = await make_user(w, "a", resourceClaimTemplateName="gpus")
            await w.settle(2)
            (claim,) = await claims(w)
            meta = claim["metadata"]
            assert meta["name"].startswith("a-gpu-") and meta["labels"] == {"from": "template"}
            assert meta["annotations"] == {ANNOTATION: "gpu"}
            owner = {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": user["metadata"]["uid"], "controller": True}
            assert meta["ownerReferences"] == [owner]
            assert await _statuses(w) == [{"name": "gpu", "resourceClaimName": meta["name"]}]

    run_virtual(main())


def test_a_missing_template_is_told_until_it_comes() -> None:
    async def main() -> None:
        async with pod_world(LOOP) as w:
            await make_user(w, "a", resourceClaimTemplateName="gpus")
            await w.settle(1)
            missing = 'resource claim template "gpus": resourceclaimtemplate.resource.k8s.io "gpus" not found'
            assert await told(w, "FailedResourceClaimCreation") == [f"PodResourceClaim gpu: {missing}"]
            await make_template(w)
            await w.settle(1)
            assert len(await claims(w)) == 1

    run_virtual(main())


def test_a_claim_that_somebody_deleted_is_made_again() -> None:
    async def main() -> None:
        async with pod_world(LOOP) as w:
            await make_template(w)
            await make_user(w, "a", resourceClaimTemplateName="gpus")
            await w.settle(1)
            (old,) = await claims(w)
            await w.resource(RESOURCE_CLAIMS).delete(old["metadata"]["name"], "default")
            await w.settle(1)
            (new,) = await claims(w)
            assert new["metadata"]["name"] != old["metadata"]["name"]
            assert await _statuses(w) == [{"name": "gpu", "resourceClaimName": new["metadata"]["name"]}]

    run_virtual(main())


def test_a_pod_that_comes_to_its_node_without_the_scheduler_gets_its_claim_reserved() -> None:
    async def main() -> None:
        async with pod_world(LOOP) as w:
            await make_claim(w, "shared")
            first = await make_user(w, "a", node="n1", resourceClaimName="shared")
            await allocate(w, "shared", first)
            second = await make_user(w, "b", node="n1", resourceClaimName="shared")
            await w.settle(1)
            reserved = (await the_claim(w, "shared"))["status"]["reservedFor"]
            assert [r["uid"] for r in reserved] == [p["metadata"]["uid"] for p in (first, second)]

    run_virtual(main())


def test_the_last_pod_takes_the_allocation_and_the_finalizer_with_it() -> None:
    async def main() -> None:
        async with pod_world(LOOP) as w:
            await make_claim(w, "shared")
            users = [await make_user(w, name, node="n1", resourceClaimName="shared") for name in "ab"]
            await allocate(w, "shared", *users)
            await tell(w, users[0], phase="Succeeded", ready=False)
            await w.settle(1)
            claim = await the_claim(w, "shared")
            assert [r["name"] for r in claim["status"]["reservedFor"]] == ["b"]
            assert claim["status"]["allocation"]
            await w.resource(PODS).delete("b", "default", grace_period=0)
            await w.settle(1)
            claim = await the_claim(w, "shared")
            assert not claim.get("status") and not claim["metadata"].get("finalizers")

    run_virtual(main())


def test_a_reservation_of_a_pod_that_never_was_is_dropped_after_asking_the_server() -> None:
    async def main() -> None:
        async with pod_world(LOOP) as w:
            await make_claim(w, "shared")
            ghost = {"metadata": {"name": "ghost", "uid": "00000000-0000-0000-0000-000000000001"}}
            await allocate(w, "shared", ghost)
            await w.settle(1)
            assert not (await the_claim(w, "shared")).get("status")

    run_virtual(main())


def test_a_claim_that_was_made_for_a_pod_goes_when_the_pod_has_ended() -> None:
    async def main() -> None:
        async with pod_world(LOOP) as w:
            await make_template(w)
            user = await make_user(w, "a", node="n1", resourceClaimTemplateName="gpus")
            await w.settle(1)
            (claim,) = await claims(w)
            await allocate(w, claim["metadata"]["name"], user)
            await tell(w, user, phase="Failed", ready=False)
            await w.settle(2)
            assert await claims(w) == []

    run_virtual(main())


def test_a_deleted_claim_that_nobody_uses_loses_its_allocation_and_goes() -> None:
    async def main() -> None:
        async with pod_world(LOOP) as w:
            await make_claim(w, "idle")
            await allocate(w, "idle")
            await w.settle(1)
            assert (await the_claim(w, "idle"))["status"]["allocation"]  # unused alone is no reason
            await w.resource(RESOURCE_CLAIMS).delete("idle", "default")
            await w.settle(1)
            assert await claims(w) == []

    run_virtual(main())


def test_long_names_are_shortened_by_the_same_share() -> None:
    assert generate_name("web", "gpu") == "web-gpu-"
    assert generate_name("p" * 60, "c" * 40) == "p" * 33 + "-" + "c" * 22
