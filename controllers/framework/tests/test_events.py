"""Events: the same thing said again counts up, many similar ones become one, too much of anything is dropped."""

from __future__ import annotations

import asyncio

from apiserver.apimachinery.clock import LoopClock, run_virtual
from apiserver.apimachinery.objects import Object
from apiserver.client.events import EVENTS, EventRecorder
from apiserver.client.resources import Client
from apiserver.server.tests.worlds import world

ABOUT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "default", "uid": "1"}}


async def told(messages: list[str], every: float = 1.0) -> list[Object]:
    """The events that are there after the messages were said one after the other."""
    async with world() as server:
        client = Client(server.transport)
        recorder = EventRecorder(client, LoopClock(asyncio.get_running_loop()), "tester")
        for message in messages:
            recorder.event(ABOUT, "Normal", "Said", message)
            await asyncio.sleep(every)
        await recorder.close()
        found = await client.resource(EVENTS).list("default")
        return list(found["items"] or [])


def test_the_same_said_again_is_counted() -> None:
    [event] = run_virtual(told(["hello"] * 3))
    assert (event["message"], event["count"], event["reportingComponent"]) == ("hello", 3, "tester")
    assert event["firstTimestamp"] < event["lastTimestamp"]


def test_many_similar_messages_become_one_event_with_the_last_of_them() -> None:
    events = run_virtual(told([f"number {i}" for i in range(15)]))
    combined = [event for event in events if event["message"].startswith("(combined")]
    assert len(events) == 10
    [event] = combined
    assert event["message"] == "(combined from similar events): number 14"
    assert (event["count"], event["reportingComponent"]) == (6, "")


def test_more_than_a_burst_about_one_object_is_dropped() -> None:
    events = run_virtual(told(["again"] * 40, every=0.01))
    assert sum(event["count"] for event in events) == 25
