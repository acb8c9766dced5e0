"""The queue: order, back-off, what wakes a waiting pod, and what happens while one is being scheduled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from apiserver.apimachinery.clock import LoopClock, run_virtual
from apiserver.apimachinery.objects import Object
from controllers.scheduler.framework import events
from controllers.scheduler.framework.events import ASSIGNED_POD_ADD, ASSIGNED_POD_DELETE, NODE_ADD, EventHint
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.status import UNRESOLVABLE, Diagnosis, Status
from controllers.scheduler.plugins.tests.made import pod
from controllers.scheduler.queue.nominator import Nominating, Nominator
from controllers.scheduler.queue.queued import QueuedPod
from controllers.scheduler.queue.scheduling_queue import PluginHint, SchedulingQueue


class Rules:
    """A profile of two plugins: Fit waits for deleted pods, Names for nodes of its liking; `gated` pods are held back."""

    def __init__(self) -> None:
        self.gated: list[str] = []
        self.hints: tuple[PluginHint, ...] = (
            PluginHint("Fit", EventHint(ASSIGNED_POD_DELETE)),
            PluginHint("Names", EventHint(NODE_ADD, lambda p, old, new: new["metadata"]["name"] == "good")),
            PluginHint("Gate", EventHint(events.ClusterEvent(events.TARGET_POD, events.UPDATE_POD_GATES_ELIMINATED))),
        )

    def order(self, queued: QueuedPod) -> Any:
        return -queued.info.priority, queued.timestamp

    def pre_enqueue(self, info: PodInfo, first: str) -> Status | None:
        return Status(UNRESOLVABLE, "gated", plugin="Gate") if info.name in self.gated else None


def play(
    test: Callable[[SchedulingQueue, Rules], Awaitable[None]], lookup: Callable[..., Object | None] | None = None
) -> None:
    async def main() -> None:
        rules = Rules()
        clock = LoopClock(asyncio.get_running_loop())
        nominator = Nominator(lookup or (lambda namespace, name: pod(name)))
        queue = SchedulingQueue({"default-scheduler": rules}, clock, nominator)
        running = asyncio.create_task(queue.run())
        try:
            await test(queue, rules)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    run_virtual(main())


def reject(queue: SchedulingQueue, queued: QueuedPod, *plugins: str) -> None:
    """As if these plugins had turned the pod down; none: an error."""
    diagnosis = Diagnosis()
    for plugin in plugins:
        diagnosis.add(Status(UNRESOLVABLE, "no", plugin=plugin))
    queued.blame(diagnosis)
    queue.add_unschedulable(queued)


async def popped(queue: SchedulingQueue, within: float = 0.001) -> str:
    """The name of the next pod; empty when none comes in time. It stays in flight."""
    try:
        async with asyncio.timeout(within):
            return (await queue.pop()).info.name
    except TimeoutError:
        return ""


GOOD = {"metadata": {"name": "good"}}
BAD = {"metadata": {"name": "bad"}}


def test_the_important_come_first_then_those_that_wait_longest() -> None:
    async def test(queue: SchedulingQueue, rules: Rules) -> None:
        for name, priority in (("a", 0), ("b", 10), ("c", 10)):
            queue.add(pod(name, priority=priority))
            await asyncio.sleep(0.01)
        assert [await popped(queue) for _ in range(4)] == ["b", "c", "a", ""]

    play(test)


def test_only_events_of_the_plugins_that_said_no_wake_a_pod() -> None:
    async def test(queue: SchedulingQueue, rules: Rules) -> None:
        queue.add(pod("a"))
        reject(queue, await queue.pop(), "Fit")
        queue.move_all(NODE_ADD, None, GOOD)
        queue.move_all(ASSIGNED_POD_ADD, None, pod("x"))
        assert queue.counts == (0, 0, 1)
        queue.move_all(ASSIGNED_POD_DELETE, pod("x"), None)
        assert queue.counts == (0, 1, 0)
        assert await popped(queue) == "a"  # nothing else is active: it need not wait for its back-off

    play(test)


def test_hints_tell_whether_an_event_matters() -> None:
    async def test(queue: SchedulingQueue, rules: Rules) -> None:
        queue.add(pod("a"))
        reject(queue, await queue.pop(), "Names")
        queue.move_all(NODE_ADD, None, BAD)
        assert queue.counts == (0, 0, 1)
        queue.move_all(NODE_ADD, None, GOOD)
        assert queue.counts == (0, 1, 0)

    play(test)


@pytest.mark.parametrize(("event", "new", "woken"), [(NODE_ADD, GOOD, True), (NODE_ADD, BAD, False)])
def test_what_happens_while_a_pod_is_scheduled_counts_when_it_comes_back(
    event: events.ClusterEvent, new: Object, woken: bool
) -> None:
    async def test(queue: SchedulingQueue, rules: Rules) -> None:
        queue.move_all(NODE_ADD, None, GOOD)  # before it was popped: does not count
        queue.add(pod("a"))
        queued = await queue.pop()
        queue.move_all(event, None, new)
        reject(queue, queued, "Names")
        assert queue.counts == ((0, 1, 0) if woken else (0, 0, 1)) and queue.in_flight == 0

    play(test)


def test_events_are_kept_only_as_long_as_a_pod_in_flight_may_need_them() -> None:
    async def test(queue: SchedulingQueue, rules: Rules) -> None:
        for name in ("a", "b"):
            queue.add(pod(name))
        first, second = await queue.pop(), await queue.pop()
        queue.move_all(NODE_ADD, None, GOOD)
        queue.done(first.info.uid)
        reject(queue, second, "Names")
        assert queue.counts == (0, 1, 0)
        assert queue._in_flight.events("uid-a") == [] and not queue._in_flight._events

    play(test)


def test_errors_back_off_twice_as_long_each_time_up_to_ten_seconds() -> None:
    async def test(queue: SchedulingQueue, rules: Rules) -> None:
        queue.add(pod("a"))
        loop = asyncio.get_running_loop()
        waits: list[float] = []
        for _ in range(6):
            queued = await queue.pop()
            before = loop.time()
            reject(queue, queued)
            again = await queue.pop()
            waits.append(round(loop.time() - before))
            queue.done(again.info.uid)
            queue._active.put(again.info.uid, again)
        assert waits == [2, 3, 5, 9, 11, 11]  # a second more: back-offs end with the window they end in

    play(test)


def test_after_five_minutes_a_pod_is_tried_whatever_happens() -> None:
    async def test(queue: SchedulingQueue, rules: Rules) -> None:
        queue.add(pod("a"))
        reject(queue, await queue.pop(), "Fit")
        assert await popped(queue, 299) == ""
        assert await popped(queue, 40) == "a"

    play(test)


def test_a_gated_pod_waits_for_its_gate_only() -> None:
    async def test(queue: SchedulingQueue, rules: Rules) -> None:
        rules.gated = ["a"]
        held = pod("a", schedulingGates=[{"name": "g"}])
        queue.add(held)
        queue.move_all(NODE_ADD, None, GOOD)
        assert queue.counts == (0, 0, 1)
        rules.gated = []
        queue.update(held, {**held, "metadata": {**held["metadata"], "labels": {"x": "y"}}})
        assert queue.counts == (0, 0, 1)  # a label is not what the gate waits for
        queue.update(held, pod("a"))
        assert await popped(queue) == "a"

    play(test)


def test_an_update_reaches_a_pod_wherever_it_waits_and_deletion_ends_it() -> None:
    async def test(queue: SchedulingQueue, rules: Rules) -> None:
        queue.add(pod("a"))
        queue.add(pod("b"))
        queue.update(pod("b"), pod("b", priority=100))
        assert await popped(queue) == "b"
        queue.delete("uid-a")
        assert await popped(queue) == ""

    play(test)


def test_activation_of_a_pod_in_flight_counts_when_it_comes_back() -> None:
    async def test(queue: SchedulingQueue, rules: Rules) -> None:
        queue.add(pod("a"))
        queued = await queue.pop()
        queue.activate({"uid-a": queued.info})
        reject(queue, queued, "Fit")
        assert queue.counts == (0, 1, 0)
        queue.activate({"uid-a": queued.info})
        assert queue.counts == (1, 0, 0)

    play(test)


def test_nominations_last_until_they_are_cleared_or_the_pod_is_bound() -> None:
    seen: dict[str, Object] = {"a": pod("a")}
    nominator = Nominator(lambda namespace, name: seen.get(name))
    info = PodInfo(seen["a"])
    nominator.add(info, Nominating("n"))
    nominator.update(pod("a"), PodInfo(pod("a", labels={"x": "y"})))
    assert [p.labels for p in nominator.on_node("n")] == [{"x": "y"}]
    nominator.add(info, Nominating(""))
    assert not nominator and nominator.on_node("n") == []
    seen["a"] = pod("a", nodeName="n")
    nominator.add(info, Nominating("n"))
    assert not nominator
    seen.clear()
    nominator.add(info, Nominating("n"))
    assert not nominator
