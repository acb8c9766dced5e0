"""Pods leave devices that are tainted, by their driver or by a rule, and rules say how far that has come."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import MERGE_PATCH
from controllers.framework.kinds import DEVICE_TAINT_RULES, PODS, RESOURCE_SLICES
from controllers.framework.nodes import tolerates
from controllers.loops.device_taint_eviction.evictions import current_devices, selects
from controllers.loops.tests.builders import pod_world, tell, told
from controllers.loops.tests.devices import DRIVER, POOL, allocate, make_claim, make_user, publish
from controllers.tests.worlds import LoopWorld

LOOP = "device-taint-eviction-controller"
TAINT: Object = {"key": "broken", "value": "yes", "effect": "NoExecute"}


async def _running(w: LoopWorld, name: str = "a", claim: str = "c", **result: Any) -> Object:
    """A pod at work on a device of its own."""
    await make_claim(w, claim)
    user = await make_user(w, name, node="n1", resourceClaimName=claim)
    await allocate(w, claim, user, **result)
    return await tell(w, user)


async def _leaving(w: LoopWorld, name: str = "a") -> bool:
    found = await w.find(PODS, name)
    return found is None or bool(found["metadata"].get("deletionTimestamp"))


async def _rule(w: LoopWorld, name: str = "r", effect: str = "NoExecute", **selector: str) -> None:
    """Made when the loop knows the pods that there are."""
    await w.settle(1)
    spec = {"deviceSelector": selector or {"driver": DRIVER}, "taint": {**TAINT, "effect": effect}}
    await w.resource(DEVICE_TAINT_RULES).create({"metadata": {"name": name}, "spec": spec})


async def _says(w: LoopWorld, name: str = "r") -> tuple[str, str, str]:
    found = await w.resource(DEVICE_TAINT_RULES).get(name)
    (condition,) = found["status"]["conditions"]
    assert condition["type"] == "EvictionInProgress"
    return condition["status"], condition["reason"], condition.get("message", "")


def test_a_tainted_device_is_left_at_once_with_a_condition_and_an_event() -> None:
    async def main() -> None:
        async with pod_world(LOOP) as w:
            await publish(w)
            await _running(w)
            await w.settle(2)
            assert not await _leaving(w)
            await publish(w, TAINT)
            await w.settle(1)
            found = await w.resource(PODS).get("a", "default")
            (target,) = [c for c in found["status"]["conditions"] if c["type"] == "DisruptionTarget"]
            assert target["reason"] == "DeletionByDeviceTaintManager"
            assert target["message"] == "Device Taint manager: deleting due to NoExecute taint"
            assert found["metadata"]["deletionTimestamp"]
            assert await told(w, "DeviceTaintManagerEviction") == ["Marking for deletion"]

    run_virtual(main())


def test_a_toleration_keeps_a_pod_for_its_time_and_the_end_of_the_taint_cancels() -> None:
    async def main() -> None:
        async with pod_world(LOOP) as w:
            await publish(w)
            toleration = {"key": "broken", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}
            await _running(w, tolerations=[toleration])
            await publish(w, TAINT)
            await w.settle(30)
            await publish(w)
            await w.settle(60)
            assert not await _leaving(w)
            assert await told(w, "DeviceTaintManagerEviction") == ["Cancelling deletion"]
            await publish(w, TAINT)
            await w.settle(55)
            assert not await _leaving(w)
            await w.settle(10)
            assert await _leaving(w)

    run_virtual(main())


def test_a_rule_evicts_from_what_it_selects_and_counts_what_it_did() -> None:
    async def main() -> None:
        async with pod_world(LOOP) as w:
            await publish(w)
            await _running(w, "a", "c1", device="gpu-0")
            await _running(w, "b", "c2", device="gpu-1")
            await _rule(w, device="gpu-1")
            await w.settle(0.5)
            assert await _says(w) == ("True", "PodsPendingEviction", "1 pod needs to be evicted in 1 namespace.")
            await w.settle(30)
            assert await _leaving(w, "b") and not await _leaving(w, "a")
            assert await _says(w) == ("False", "Completed", "1 pod evicted since starting the controller.")

    run_virtual(main())


def test_a_rule_with_the_effect_none_tells_what_it_would_do() -> None:
    async def main() -> None:
        async with pod_world(LOOP) as w:
            await publish(w)
            await _running(w)
            await _rule(w, effect="None")
            await w.settle(20)
            assert not await _leaving(w)
            status, reason, message = await _says(w)
            assert (status, reason) == ("False", "NoEffect")
            assert message == (
                "1 published device selected. 1 allocated device selected. 1 pod would be evicted in 1 namespace if the "
                "effect was NoExecute. This information will not be updated again. Recreate the DeviceTaintRule to "
                "trigger an update."
            )

    run_virtual(main())


def test_a_rule_that_only_keeps_new_pods_away_says_so_until_it_evicts() -> None:
    async def main() -> None:
        async with pod_world(LOOP) as w:
            await publish(w)
            await _running(w)
            await _rule(w, effect="NoSchedule")
            await w.settle(1)
            assert await _says(w) == ("False", "OtherEffect", "Eviction only happens for the NoExecute effect.")
            patch = {"spec": {"taint": {"effect": "NoExecute"}}}
            await w.resource(DEVICE_TAINT_RULES).patch("r", "", patch, type=MERGE_PATCH)
            await w.settle(30)
            assert await _leaving(w)

    run_virtual(main())


def test_old_generations_of_a_pool_do_not_count() -> None:
    async def main() -> None:
        async with pod_world(LOOP) as w:
            await publish(w)
            pool = {"name": POOL, "generation": 2, "resourceSliceCount": 1}
            spec = {"driver": DRIVER, "nodeName": "n1", "pool": pool, "devices": [{"name": "gpu-0"}]}
            await w.resource(RESOURCE_SLICES).create({"metadata": {"name": "s2"}, "spec": spec})
            await _running(w)
            await publish(w, TAINT)  # of the first generation
            await w.settle(5)
            assert not await _leaving(w)

    run_virtual(main())


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        (None, False),
        ({}, True),
        ({"driver": "d"}, True),
        ({"driver": "d", "pool": "q"}, False),
        ({"pool": "p", "device": "x"}, True),
    ],
)
def test_what_a_rule_selects(selector: Object | None, selected: bool) -> None:
    assert selects({"spec": {"deviceSelector": selector, "taint": TAINT}}, "d", "p", "x") is selected


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        ({"operator": "Exists"}, True),
        ({"operator": "Exists", "key": "other"}, False),
        ({"key": "broken", "value": "yes"}, True),
        ({"key": "broken", "operator": "Equal", "value": "no"}, False),
        ({"operator": "Exists", "effect": "NoSchedule"}, False),
    ],
)
def test_what_a_toleration_tolerates(toleration: Object, tolerated: bool) -> None:
    assert tolerates(toleration, TAINT) is tolerated


def test_the_newest_generation_of_a_pool_has_its_devices() -> None:
    def made(generation: int, device: str) -> Object:
        return {"spec": {"pool": {"generation": generation}, "devices": [{"name": device}]}}

    assert [d["name"] for d in current_devices([made(1, "a"), made(2, "b"), made(2, "c")])] == ["b", "c"]
