"""Loop lag: how late the event loop comes to a timer, a few times a second. The one figure that shows a held loop."""

from __future__ import annotations

import asyncio

from apiserver.endpoints.metrics import Histogram

INTERVAL = 0.25


class LagMeter:
    """Runs until closed. In virtual time it would measure nothing: it belongs to the front."""

    def __init__(self, loop: asyncio.AbstractEventLoop, histogram: Histogram) -> None:
        self._loop = loop
        self._histogram = histogram
        self._due = loop.time() + INTERVAL
        self._timer = loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        now = self._loop.time()
        self._histogram.observe(max(0.0, now - self._due))
        self._due = now + INTERVAL
        self._timer = self._loop.call_at(self._due, self._tick)

    def close(self) -> None:
        self._timer.cancel()
