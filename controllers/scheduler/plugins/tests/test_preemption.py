"""Which candidate is chosen, whom budgets protect, and pods that wait for permission."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apiserver.apimachinery.clock import SystemClock, run_virtual
from apiserver.apimachinery.objects import Object
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.waiting import WaitingPods
from controllers.scheduler.plugins.default_preemption import Budgets, Candidate, select_candidate
from controllers.scheduler.plugins.preemption_executor import terminating_by_preemption
from controllers.scheduler.plugins.tests.made import pod

NOW = 1_800_000_000.0


def victims(*priorities: int, started: str = "2026-01-01T00:00:00Z") -> tuple[PodInfo, ...]:
    made = [pod(f"v{i}", priority=priority) for i, priority in enumerate(priorities)]
    return tuple(PodInfo({**p, "status": {"startTime": started}}) for p in made)


@pytest.mark.parametrize(
    ("candidates", "chosen"),
    [
        ([Candidate("a", victims(5), 1), Candidate("b", victims(9, 9), 0)], "b"),  # the fewest broken budgets
        (
            [Candidate("a", victims(9), 0), Candidate("b", victims(5, 5, 5), 0)],
            "b",
        ),  # the least important victim on top
        ([Candidate("a", victims(9, 5), 0), Candidate("b", victims(9, 1), 0)], "b"),  # the smallest sum
        ([Candidate("a", victims(0, -5), 0), Candidate("b", victims(0), 0)], "b"),  # more pods never weigh less
        (
            [
                Candidate("a", victims(5, started="2026-01-01T00:00:00Z"), 0),
                Candidate("b", victims(5, started="2026-01-02T00:00:00Z"), 0),
            ],
            "b",  # the one that has run the shortest
        ),
        ([Candidate("a", victims(5), 0), Candidate("b", victims(5), 0)], "a"),
    ],
)
def test_the_least_harm_is_chosen(candidates: list[Candidate], chosen: str) -> None:
    assert select_candidate(candidates, NOW).node == chosen


def budget(allowed: int, selector: Any, namespace: str = "default", **status: Any) -> Object:
    meta = {"name": "b", "namespace": namespace}
    return {"metadata": meta, "spec": {"selector": selector}, "status": {"disruptionsAllowed": allowed, **status}}


WEB = {"matchLabels": {"app": "web"}}


@pytest.mark.parametrize(
    ("budgets", "violating"),
    [
        ([], []),
        ([budget(0, WEB)], ["a", "b"]),
        ([budget(1, WEB)], ["b"]),
        ([budget(2, WEB)], []),
        ([budget(0, WEB, namespace="other")], []),
        ([budget(0, {})], []),
        ([budget(0, None)], []),
        ([budget(0, WEB, disruptedPods={"a": "2026-01-01T00:00:00Z"})], ["b"]),
        ([budget(5, WEB), budget(1, WEB)], ["b"]),
    ],
)
def test_budgets_count_down_in_the_order_of_the_pods(budgets: list[Object], violating: list[str]) -> None:
    pods = [PodInfo(pod(name, labels={"app": "web"})) for name in ("a", "b")] + [PodInfo(pod("bare"))]
    broken, harmless = Budgets(budgets).split(pods)
    assert [p.name for p in broken.values()] == violating
    assert len(broken) + len(harmless) == 3 and "bare" in [p.name for p in harmless]


def test_only_a_schedulers_victims_on_their_way_out_are_waited_for() -> None:
    target = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    leaving = pod()
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not terminating_by_preemption(leaving)
    assert not terminating_by_preemption({**pod(), "status": {"conditions": [target]}})
    assert terminating_by_preemption({**leaving, "status": {"conditions": [target]}})
    evicted = {**target, "reason": "EvictionByEvictionAPI"}
    assert not terminating_by_preemption({**leaving, "status": {"conditions": [evicted]}})


def test_a_pod_held_back_goes_on_when_all_plugins_allow_it() -> None:
    async def main() -> None:
        waiting, info = WaitingPods(SystemClock()), PodInfo(pod())
        assert await waiting.wait(info) is None  # nobody holds it back
        waiting.add(info, {"A": 10.0, "B": 20.0})
        outcome = asyncio.ensure_future(waiting.wait(info))
        waiting.allow(info.uid, "A")
        await asyncio.sleep(1)
        assert not outcome.done()
        waiting.allow(info.uid, "B")
        assert await outcome is None and waiting.pods == []

    run_virtual(main())


def test_a_pod_held_back_too_long_or_rejected_is_turned_down() -> None:
    async def main() -> None:
        waiting, info = WaitingPods(SystemClock()), PodInfo(pod())
        waiting.add(info, {"A": 10.0, "B": 20.0})
        status = await waiting.wait(info)
        assert status is not None and status.plugin == "A" and "timeout after waiting 10s" in status.message
        waiting.add(info, {"A": 10.0})
        assert waiting.reject(info.uid, "A", "no") and not waiting.reject("other", "A", "no")
        status = await waiting.wait(info)
        assert status is not None and (status.code, status.message) == ("Unschedulable", "no")

    run_virtual(main())
