"""PodDisruptionBudgets through a whole server: their form, and evictions that honour them."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import run_virtual
from apiserver.server.tests.worlds import World, world

BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
PODS = "/api/v1/namespaces/default/pods"
MERGE = "application/merge-patch+json"


def budget(**spec: Any) -> dict[str, Any]:
    selector = {"matchLabels": {"app": "web"}}
    metadata = {"name": "web"}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata,
        "spec": {"selector": selector, **spec},
    }


async def running_pod(api: World, *, ready: bool = True, name: str = "web-0") -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    await api.ask("POST", "/api/v1/namespaces/default/serviceaccounts", account)
    container = {"name": "c", "image": "nginx"}
    spec = {"containers": [container], "automountServiceAccountToken": False, "nodeName": "n"}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "web"}}, "spec": spec}
    code, answer = await api.ask("POST", PODS, body)
    assert code == 201, answer
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    status = {"status": {"phase": "Running", "conditions": conditions}}
    code, answer = await api.ask("PATCH", f"{PODS}/{name}/status", status, Content_Type=MERGE)
    assert code == 200, answer


async def report(api: World, **status: Any) -> None:
    """What the disruption controller would say."""
    body = {"status": {"observedGeneration": 1, **status}}
    code, answer = await api.ask("PATCH", f"{BUDGETS}/web/status", body, Content_Type=MERGE)
    assert code == 200, answer


async def evict(api: World, name: str = "web-0", version: str = "policy/v1") -> tuple[int, Any]:
    body = {"apiVersion": version, "kind": "Eviction", "metadata": {"name": name}}
    return await api.ask("POST", f"{PODS}/{name}/eviction", body)


def test_generation_follows_the_spec_and_the_status_begins_at_nought() -> None:
    async def scenario() -> None:
        async with world() as api:
            code, made = await api.ask("POST", BUDGETS, budget(minAvailable=1))
            assert (code, made["metadata"]["generation"]) == (201, 1)
            counts = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
            assert made["status"] == dict.fromkeys(counts, 0)
            made["spec"]["minAvailable"] = "50%"
            _, changed = await api.ask("PUT", f"{BUDGETS}/web", made)
            assert changed["metadata"]["generation"] == 2

    run_virtual(scenario())


def test_both_bounds_at_once_are_refused() -> None:
    async def scenario() -> None:
        async with world() as api:
            code, answer = await api.ask("POST", BUDGETS, budget(minAvailable=1, maxUnavailable="200%"))
            assert code == 422
            messages = [cause["message"] for cause in answer["details"]["causes"]]
            assert "minAvailable and maxUnavailable cannot be both set" in messages[0]
            assert messages[1] == 'Invalid value: "200%": must not be greater than 100%'

    run_virtual(scenario())


def test_an_eviction_takes_one_disruption_and_the_next_is_refused() -> None:
    async def scenario() -> None:
        async with world() as api:
            await api.ask("POST", BUDGETS, budget(minAvailable=1))
            await report(api, disruptionsAllowed=1, currentHealthy=2, desiredHealthy=1, expectedPods=2)
            await running_pod(api)
            await running_pod(api, name="web-1")
            code, answer = await evict(api)
            assert code == 201, answer
            _, left = await api.ask("GET", f"{BUDGETS}/web")
            assert left["status"]["disruptionsAllowed"] == 0
            assert list(left["status"]["disruptedPods"]) == ["web-0"]
            code, answer = await evict(api, "web-1")
            assert (code, answer["reason"]) == (429, "TooManyRequests")
            assert answer["details"]["causes"][0]["reason"] == "DisruptionBudget"
            _, kept = await api.ask("GET", f"{PODS}/web-1")
            assert "deletionTimestamp" not in kept["metadata"]

    run_virtual(scenario())


def test_a_budget_whose_controller_lags_behind_lets_nothing_go() -> None:
    async def scenario() -> None:
        async with world() as api:
            await api.ask("POST", BUDGETS, budget(minAvailable=1))
            await running_pod(api)
            code, answer = await evict(api)
            assert code == 429
            assert "is still being processed by the server" in answer["details"]["causes"][0]["message"]

    run_virtual(scenario())


def test_an_unready_pod_may_always_go_where_the_budget_says_so() -> None:
    async def scenario() -> None:
        async with world() as api:
            await api.ask("POST", BUDGETS, budget(minAvailable=1, unhealthyPodEvictionPolicy="AlwaysAllow"))
            await report(api, disruptionsAllowed=0, currentHealthy=0, desiredHealthy=1, expectedPods=1)
            await running_pod(api, ready=False)
            code, answer = await evict(api)
            assert code == 201, answer
            _, left = await api.ask("GET", f"{BUDGETS}/web")
            assert "disruptedPods" not in left["status"]

    run_virtual(scenario())


def test_an_eviction_of_the_beta_is_taken_as_fabric8_sends_it() -> None:
    async def scenario() -> None:
        async with world() as api:
            await running_pod(api)
            code, answer = await evict(api, version="policy/v1beta2")
            assert code == 400, answer
            code, answer = await evict(api, version="policy/v1beta1")
            assert (code, answer["status"]) == (201, "Success")

    run_virtual(scenario())
