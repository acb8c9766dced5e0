"""A queue of keys to reconcile: each key at most once waiting and once in work.

Mirrors upstream client-go/util/workqueue: a key added while in work waits until its work is done, then runs again.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)

BASE_DELAY = 0.005  # seconds; upstream DefaultTypedControllerRateLimiter
MAX_DELAY = 1000.0
BUCKET_RATE = 10.0  # retries a second over all keys, in the long run
BUCKET_SIZE = 100


class _Timer(NamedTuple):
    """uvloop's handle of a very short delay does not tell when it is due."""

    due: float
    handle: asyncio.Handle


class RateLimiter(Generic[K]):
    """How long a key that failed has to wait: doubling by key, and a token bucket over all keys."""

    def __init__(self, base: float = BASE_DELAY, maximum: float = MAX_DELAY) -> None:
        self._base = base
        self._maximum = maximum
        self._failures: dict[K, int] = {}
        self._tokens = float(BUCKET_SIZE)
        self._refilled = 0.0

    def when(self, key: K, now: float) -> float:
        """Seconds until `key` may run again; counts a failure."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        backoff: float = min(self._base * 2.0 ** min(failures, 60), self._maximum)
        return max(backoff, self._take(now))

    def _take(self, now: float) -> float:
        self._tokens = min(BUCKET_SIZE, self._tokens + (now - self._refilled) * BUCKET_RATE)
        self._refilled = now
        self._tokens -= 1
        return max(0.0, -self._tokens / BUCKET_RATE)

    def failures(self, key: K) -> int:
        return self._failures.get(key, 0)

    def forget(self, key: K) -> None:
        self._failures.pop(key, None)


class WorkQueue(Generic[K]):
    """Keys in the order they came. `get` waits; every key got must be given back with `done`."""

    def __init__(self, rate_limiter: RateLimiter[K] | None = None) -> None:
        self._queue: deque[K] = deque()
        self._dirty: set[K] = set()  # only membership is asked: no order escapes
        self._processing: set[K] = set()
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._timers: dict[K, _Timer] = {}
        self._limiter = rate_limiter or RateLimiter[K]()
        self._shut_down = False

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def idle(self) -> bool:
        """Nothing waits, nothing is in work, nothing is due later."""
        return not self._dirty and not self._processing and not self._timers

    def add(self, key: K) -> None:
        if self._shut_down or key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._processing:
            self._queue.append(key)
            self._wake()

    def add_after(self, key: K, delay: float) -> None:
        """Add in `delay` seconds; of two such requests for a key the earlier one counts."""
        if self._shut_down:
            return
        if delay <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + delay
        waiting = self._timers.get(key)
        if waiting is not None:
            if waiting.due <= due:
                return
            waiting.handle.cancel()
        self._timers[key] = _Timer(due, loop.call_later(delay, self._due, key))

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def add_rate_limited(self, key: K) -> None:
        self.add_after(key, self._limiter.when(key, asyncio.get_running_loop().time()))

    def forget(self, key: K) -> None:
        self._limiter.forget(key)

    def requeues(self, key: K) -> int:
        return self._limiter.failures(key)

    async def get(self) -> K | None:
        """The next key, or None after `shut_down`."""
        while not self._queue:
            if self._shut_down:
                return None
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                if not waiter.done():
                    self._waiters.remove(waiter)
        key = self._queue.popleft()
        self._processing.add(key)
        self._dirty.discard(key)
        return key

    def done(self, key: K) -> None:
        self._processing.discard(key)
        if key in self._dirty:
            self._queue.append(key)
            self._wake()

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def shut_down(self) -> None:
        self._shut_down = True
        for timer in self._timers.values():
            timer.handle.cancel()
        self._timers.clear()
        while self._waiters:
            self._wake()


class Backoff:
    """Waits that grow, with jitter, and start over after a quiet time (upstream wait.BackoffManager)."""

    def __init__(
        self, rand: random.Random, *, initial: float = 0.8, maximum: float = 30.0, reset: float = 120.0
    ) -> None:
        self._rand = rand
        self._initial, self._maximum, self._reset = initial, maximum, reset
        self._next = initial
        self._last = 0.0

    def delay(self) -> float:
        """Seconds to wait now; grows by half on every call."""
        now = asyncio.get_running_loop().time()
        if now - self._last > self._reset:
            self._next = self._initial
        self._last = now
        wait = self._next * (1 + self._rand.random())
        self._next = min(self._next * 2, self._maximum)
        return wait
