"""`/metrics/slis`: how often each health check held, for service-level indicators (component-base metrics/prometheus/slis)."""

from __future__ import annotations

import time
from collections.abc import Iterator

from apiserver.apimachinery.http import Request, Response
from apiserver.endpoints.metrics import Counter, Gauge, Labels, exposition

PATH = "/metrics/slis"


class HealthIndicators:
    """Outcomes of checks, by check and by the path they were asked under."""

    def __init__(self) -> None:
        self._last: dict[Labels, float] = {}
        self._now = Gauge(
            "kubernetes_healthcheck",
            "[STABLE] This metric records the result of a single healthcheck.",
            lambda: sorted(self._last.items()),
            ("name", "type"),
        )
        self._total = Counter(
            "kubernetes_healthchecks_total",
            "[STABLE] This metric records the results of all healthcheck.",
            ("name", "status", "type"),
        )
        self._start = time.time()
        self._started = Gauge(
            "process_start_time_seconds",
            "[ALPHA] Start time of the process since unix epoch in seconds.",
            lambda: [((), self._start)],
        )

    def observe(self, check: str, path: str, holds: bool) -> None:
        """Note an outcome; `path` is healthz, livez or readyz."""
        self._last[check, path] = float(holds)
        self._total.add((check, "success" if holds else "error", path))

    def lines(self) -> Iterator[str]:
        for metric in (self._now, self._total, self._started):
            yield from metric.lines()

    async def serve(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._last.clear()
            self._total.values.clear()
            return Response(200, b"metrics reset\n", "text/plain; charset=utf-8")
        return exposition("".join(f"{line}\n" for line in self.lines()).encode(), self._start)
