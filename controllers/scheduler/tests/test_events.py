"""Events that repeat become a series; which changes of pods and nodes count as what."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apiserver.apimachinery.clock import LoopClock, run_virtual
from apiserver.apimachinery.rand import Random
from controllers.framework import kinds
from controllers.scheduler.algorithm import feasible_wanted
from controllers.scheduler.framework import events
from controllers.scheduler.framework.events import ClusterEvent, node_changes, pod_changes
from controllers.scheduler.framework.events_recorder import SchedulerEvents
from controllers.scheduler.plugins.tests.made import bound, node, pod
from controllers.scheduler.tests.worlds import SchedulerWorld, scheduler_world


async def said(w: SchedulerWorld) -> list[tuple[str, int]]:
    """(note, how often) of the events there are."""
    found = await w.all(kinds.EVENTS)
    return [(e["message"], (e.get("series") or {}).get("count", 1)) for e in found]


def test_what_repeats_becomes_a_series_that_is_written_when_it_ends() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            clock = LoopClock(asyncio.get_running_loop())
            recorder = SchedulerEvents(w.client, clock, Random(1), "here")
            running = asyncio.create_task(recorder.run())
            for i in range(5):
                recorder.event("s", pod("a"), "Warning", "Failed", "Trying", f"attempt {i}")
                await w.settle(1)
            assert await said(w) == [("attempt 0", 2)]
            await w.settle(1000)
            assert await said(w) == [("attempt 0", 5)]
            recorder.event("s", pod("a"), "Warning", "Failed", "Trying", "later")
            await w.settle(1)
            assert sorted(await said(w)) == [("attempt 0", 5), ("later", 1)]
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await recorder.close()

    run_virtual(main())


UNSCHEDULED, ASSIGNED, TARGET = events.UNSCHEDULED_POD, events.ASSIGNED_POD, events.TARGET_POD


@pytest.mark.parametrize(
    ("old", "new", "target", "expected"),
    [
        (pod(), pod(labels={"a": "b"}), True, [ClusterEvent(TARGET, events.UPDATE_POD_LABEL)]),
        (pod(), pod(labels={"a": "b"}), False, [ClusterEvent(UNSCHEDULED, events.UPDATE_POD_LABEL)]),
        (
            bound(pod(), "n"),
            bound(pod(labels={"a": "b"}), "n"),
            False,
            [ClusterEvent(ASSIGNED, events.UPDATE_POD_LABEL)],
        ),
        (pod(), pod(tolerations=[{"operator": "Exists"}]), True, [ClusterEvent(TARGET, events.UPDATE_POD_TOLERATION)]),
        (pod(schedulingGates=[{"name": "g"}]), pod(), True, [ClusterEvent(TARGET, events.UPDATE_POD_GATES_ELIMINATED)]),
        (pod(), {**pod(), "status": {"phase": "Pending"}}, True, [ClusterEvent(TARGET, events.UPDATE)]),
    ],
)
def test_updates_of_pods(old: Any, new: Any, target: bool, expected: list[ClusterEvent]) -> None:
    assert pod_changes(new, old, target=target) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (node(), node(), []),
        (node(), node(cpu="8"), [events.UPDATE_NODE_ALLOCATABLE]),
        (node(), node(labels={"a": "b"}), [events.UPDATE_NODE_LABEL]),
        (node(unschedulable=True), node(), [events.UPDATE_NODE_TAINT]),
        (node(), node(unschedulable=True), []),
        (node(), node(taints=[{"key": "k", "effect": "NoSchedule"}]), [events.UPDATE_NODE_TAINT]),
        (node(), node(status={"conditions": [{"type": "Ready", "status": "True"}]}), [events.UPDATE_NODE_CONDITION]),
        (
            node(status={"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "a"}]}),
            node(status={"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "b"}]}),
            [],
        ),
    ],
)
def test_updates_of_nodes(old: Any, new: Any, expected: list[int]) -> None:
    assert node_changes(new, old) == [ClusterEvent(events.NODE, action) for action in expected]


@pytest.mark.parametrize(
    ("registered", "incoming", "covered"),
    [
        (ClusterEvent(events.NODE, events.ADD | events.UPDATE_NODE_LABEL), ClusterEvent(events.NODE, events.ADD), True),
        (ClusterEvent(events.NODE, events.ADD), ClusterEvent(events.NODE, events.UPDATE_NODE_LABEL), False),
        (ClusterEvent(events.NODE, events.UPDATE), ClusterEvent(events.NODE, events.UPDATE_NODE_LABEL), True),
        (ClusterEvent(events.NODE, events.ALL), ClusterEvent(ASSIGNED, events.ADD), False),
        (ClusterEvent(events.POD, events.ADD), ClusterEvent(ASSIGNED, events.ADD), True),
        (ClusterEvent(events.WILDCARD, events.ALL), ClusterEvent(ASSIGNED, events.ADD), True),
    ],
)
def test_which_events_a_plugin_sees(registered: ClusterEvent, incoming: ClusterEvent, covered: bool) -> None:
    assert registered.covers(incoming) is covered


@pytest.mark.parametrize(
    ("nodes", "percentage", "wanted"),
    [(10, 0, 10), (99, 40, 99), (1000, 0, 420), (1000, 40, 400), (5000, 0, 500), (6000, 0, 300), (500, 5, 100)],
)
def test_in_a_large_cluster_some_feasible_nodes_are_enough(nodes: int, percentage: int, wanted: int) -> None:
    assert feasible_wanted(nodes, percentage) == wanted
