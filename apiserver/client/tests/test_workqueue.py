"""A WorkQueue holds keys: once waiting, once in work, and again after work when it changed meanwhile."""

from __future__ import annotations

import asyncio

from apiserver.apimachinery.clock import run_virtual
from apiserver.client.workqueue import RateLimiter, WorkQueue


async def test_a_key_added_twice_waits_once() -> None:
    queue = WorkQueue[str]()
    queue.add("a")
    queue.add("b")
    queue.add("a")
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert len(queue) == 0


async def test_a_key_added_while_in_work_runs_again_after_it() -> None:
    queue = WorkQueue[str]()
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert queue.idle


def test_a_delayed_key_comes_at_its_time_and_the_earlier_request_wins() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        queue = WorkQueue[str]()
        queue.add_after("a", 10)
        queue.add_after("a", 5)
        queue.add_after("a", 20)
        assert await queue.get() == "a"
        assert loop.time() == 5
        queue.done("a")
        assert queue.idle

    run_virtual(main())


async def test_shutdown_wakes_every_waiter() -> None:
    queue = WorkQueue[str]()
    waiters = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.shut_down()
    assert await asyncio.gather(*waiters) == [None, None, None]


async def test_a_cancelled_waiter_takes_no_key_with_it() -> None:
    queue = WorkQueue[str]()
    first = asyncio.create_task(queue.get())
    second = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    queue.add("a")
    assert await second == "a"


def test_failures_back_off_by_doubling_until_forgotten() -> None:
    limiter = RateLimiter[str]()
    assert [limiter.when("a", 0) for _ in range(4)] == [0.005, 0.01, 0.02, 0.04]
    assert limiter.failures("a") == 4
    limiter.forget("a")
    assert limiter.when("a", 0) == 0.005
