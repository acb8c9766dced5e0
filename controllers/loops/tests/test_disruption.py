"""A PodDisruptionBudget tells how many pods may go now, and evictions keep to it."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.apimachinery.clock import rfc3339, run_virtual
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import MERGE_PATCH
from controllers.framework.go_text import go_selector
from controllers.framework.kinds import DEPLOYMENTS, POD_DISRUPTION_BUDGETS, PODS, STATEFUL_SETS
from controllers.loops.tests.workloads import condition, patch_spec, play, template, told, workload, workload_world
from controllers.tests.worlds import LoopWorld

LOOPS = ("disruption-controller", "deployment-controller", "replicaset-controller", "statefulset-controller")


async def budget(w: LoopWorld, **spec: Any) -> None:
    made = {"selector": {"matchLabels": {"app": "web"}}, **spec}
    await w.resource(POD_DISRUPTION_BUDGETS).create({"metadata": {"name": "web"}, "spec": made}, "default")
    await w.settle()


async def deployed(w: LoopWorld, replicas: int = 3) -> None:
    await w.resource(DEPLOYMENTS).create(workload(replicas=replicas), "default")
    await w.settle()
    await play(w, 3)


async def found(w: LoopWorld) -> Object:
    obj = await w.find(POD_DISRUPTION_BUDGETS, "web")
    assert obj is not None
    return obj


async def counts(w: LoopWorld) -> tuple[int, int, int, int]:
    """(expected, desired, healthy, allowed)."""
    status = (await found(w))["status"]
    fields = ("expectedPods", "desiredHealthy", "currentHealthy", "disruptionsAllowed")
    return tuple(status[field] for field in fields)


async def evict(w: LoopWorld, pod: Object) -> None:
    name = pod["metadata"]["name"]
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    await w.resource(PODS).create(body, "default", name=name, subresource="eviction")


def test_a_number_of_available_pods_is_kept() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await deployed(w)
            await budget(w, minAvailable=2)
            assert await counts(w) == (3, 2, 3, 1)
            allowed = condition(await found(w), "DisruptionAllowed")
            assert (allowed["status"], allowed["reason"], allowed["message"]) == ("True", "SufficientPods", "")
            first, second, _ = await w.all(PODS)
            await evict(w, first)
            with pytest.raises(StatusError) as refused:
                await evict(w, second)
            assert refused.value.code == 429
            await w.settle()
            assert (await counts(w))[2:] == (2, 0)
            denied = condition(await found(w), "DisruptionAllowed")
            assert (denied["status"], denied["reason"]) == ("False", "InsufficientPods")
            assert "disruptedPods" not in (await found(w))["status"], "its deletion was seen"
            await play(w, 5)
            assert await counts(w) == (3, 2, 3, 1)

    run_virtual(main())


def test_shares_are_of_what_the_owners_want() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await deployed(w, replicas=7)
            await budget(w, maxUnavailable="30%")
            assert await counts(w) == (7, 4, 7, 3)
            await patch_spec(w, "web", {"replicas": 10})
            await w.settle()
            assert await counts(w) == (10, 7, 7, 0), "three are wanted and not there yet"
            await play(w, 3)
            assert await counts(w) == (10, 7, 10, 3)

    run_virtual(main())


def test_a_stateful_set_is_an_owner_too() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await w.resource(STATEFUL_SETS).create(
                workload(replicas=2, serviceName="web", podManagementPolicy="Parallel"), "default"
            )
            await w.settle()
            await play(w, 3)
            await budget(w, minAvailable="50%")
            assert await counts(w) == (2, 1, 2, 1)

    run_virtual(main())


def test_pods_without_an_owner_count_only_for_a_plain_number() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            for name in ("a", "b"):
                pod = {"metadata": {"name": name, "labels": {"app": "web"}}, "spec": template()["spec"]}
                await w.resource(PODS).create(pod, "default")
            await w.run_pods()
            await budget(w, maxUnavailable=1)
            assert await counts(w) == (0, 0, 2, 0)
            [message] = await told(w, "UnmanagedPods")
            selector = "&LabelSelector{MatchLabels:map[string]string{app: web,},MatchExpressions:[]LabelSelectorRequirement{},}"
            assert message.startswith(f"Pods selected by this PodDisruptionBudget (selector: {selector}) were found")
            patch = {"spec": {"maxUnavailable": None, "minAvailable": 1}}
            await w.resource(POD_DISRUPTION_BUDGETS).patch("web", "default", patch, type=MERGE_PATCH)
            await w.settle()
            assert await counts(w) == (2, 1, 2, 1)

    run_virtual(main())


def test_an_owner_that_cannot_be_scaled_makes_the_budget_fail_safe() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1-2-3", "controller": True}
            meta = {"name": "a", "labels": {"app": "web"}, "ownerReferences": [owner]}
            await w.resource(PODS).create({"metadata": meta, "spec": template()["spec"]}, "default")
            await w.run_pods()
            await budget(w, maxUnavailable=1)
            failed = condition(await found(w), "DisruptionAllowed")
            message = "configmaps does not implement the scale subresource"
            assert (failed["status"], failed["reason"], failed["message"]) == ("False", "SyncFailed", message)
            assert (await found(w))["status"]["disruptionsAllowed"] == 0

    run_virtual(main())


def test_an_eviction_whose_pod_stays_is_forgotten_after_two_minutes() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await deployed(w)
            await budget(w, minAvailable=2)
            [pod, *_] = await w.all(PODS)
            granted = {"status": {"disruptedPods": {pod["metadata"]["name"]: rfc3339(w.now())}}}
            await w.resource(POD_DISRUPTION_BUDGETS).patch(
                "web", "default", granted, type=MERGE_PATCH, subresource="status"
            )
            await w.settle()
            assert (await counts(w))[2:] == (2, 0)
            await w.settle(130)
            assert (await counts(w))[2:] == (3, 1)
            assert "disruptedPods" not in (await found(w))["status"]
            assert await told(w, "NotDeleted") == [
                "Pod was expected by PDB default/default to be deleted but it wasn't"
            ]

    run_virtual(main())


def test_a_disruption_that_was_announced_and_does_not_come_is_taken_back() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await deployed(w, replicas=1)
            [pod] = await w.all(PODS)
            announced = {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "EvictionByEvictionAPI",
                "lastTransitionTime": rfc3339(w.now()),
            }
            conditions = [*pod["status"]["conditions"], announced]
            await w.resource(PODS).patch(
                pod["metadata"]["name"],
                "default",
                {"status": {"conditions": conditions}},
                type=MERGE_PATCH,
                subresource="status",
            )
            await w.settle(110)
            current = await w.find(PODS, pod["metadata"]["name"])
            assert current is not None and condition(current, "DisruptionTarget")["status"] == "True"
            await w.settle(15)
            current = await w.find(PODS, pod["metadata"]["name"])
            assert current is not None and condition(current, "DisruptionTarget")["status"] == "False"

    run_virtual(main())


def test_selectors_print_as_gos() -> None:
    expression = {"key": "k", "operator": "In", "values": ["a", "b"]}
    assert go_selector({"matchExpressions": [expression]}) == (
        "&LabelSelector{MatchLabels:map[string]string{},"
        "MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:k,Operator:In,Values:[a b],},},}"
    )
