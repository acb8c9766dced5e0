"""`/metrics` in Prometheus text: upstream's names where we have the number, and the loop's lag.

Counters are dicts keyed by ready label texts' parts, so that counting a request costs one look-up.
"""

from __future__ import annotations

import os
import resource as rusage
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from apiserver.apimachinery.http import Request, RequestInfo, Response, Sink, StreamResponse

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
# upstream apiserver/pkg/endpoints/metrics/metrics.go, requestLatencies
DURATION_BUCKETS = (
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
)  # fmt: skip
LAG_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)

Labels = tuple[str, ...]


class Metric(Protocol):
    def lines(self) -> Iterator[str]: ...


def escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _labelled(name: str, names: Sequence[str], values: Sequence[str], more: str = "") -> str:
    pairs = [f'{key}="{escape(value)}"' for key, value in zip(names, values, strict=True)]
    if more:
        pairs.append(more)
    return f"{name}{{{','.join(pairs)}}}" if pairs else name


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


class Family:
    """What every metric has: a name, a help text, label names."""

    kind = "untyped"

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        self.name, self.help, self.labels = name, help, tuple(labels)

    def head(self) -> Iterator[str]:
        yield f"# HELP {self.name} {self.help}"
        yield f"# TYPE {self.name} {self.kind}"


class Counter(Family):
    kind = "counter"

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        super().__init__(name, help, labels)
        self.values: dict[Labels, float] = {}

    def add(self, labels: Labels = (), amount: float = 1) -> None:
        self.values[labels] = self.values.get(labels, 0) + amount

    def lines(self) -> Iterator[str]:
        yield from self.head()
        for values, number in sorted(self.values.items()):
            yield f"{_labelled(self.name, self.labels, values)} {_number(number)}"


class Gauge(Family):
    """Asked when somebody looks: `read` gives (label values, number) pairs."""

    kind = "gauge"

    def __init__(
        self, name: str, help: str, read: Callable[[], Iterable[tuple[Labels, float]]], labels: Sequence[str] = ()
    ) -> None:
        super().__init__(name, help, labels)
        self._read = read

    def lines(self) -> Iterator[str]:
        yield from self.head()
        for values, number in self._read():
            yield f"{_labelled(self.name, self.labels, values)} {_number(number)}"


class Histogram(Family):
    kind = "histogram"

    def __init__(self, name: str, help: str, buckets: Sequence[float], labels: Sequence[str] = ()) -> None:
        super().__init__(name, help, labels)
        self.buckets = tuple(buckets)
        self.values: dict[Labels, list[float]] = {}  # counts per bucket (not summed up), beyond the last, sum

    def observe(self, value: float, labels: Labels = ()) -> None:
        counts = self.values.get(labels)
        if counts is None:
            counts = self.values[labels] = [0.0] * (len(self.buckets) + 2)
        counts[bisect_left(self.buckets, value)] += 1
        counts[-1] += value

    def lines(self) -> Iterator[str]:
        yield from self.head()
        for values, counts in sorted(self.values.items()):
            total = 0.0
            for bound, count in zip((*map(_number, self.buckets), "+Inf"), counts[:-1], strict=True):
                total += count
                bucket = _labelled(f"{self.name}_bucket", self.labels, values, f'le="{bound}"')
                yield f"{bucket} {_number(total)}"
            yield f"{_labelled(f'{self.name}_sum', self.labels, values)} {_number(counts[-1])}"
            yield f"{_labelled(f'{self.name}_count', self.labels, values)} {_number(total)}"


class Metrics:
    """All metrics of one server. `add` more from anywhere the composition root reaches."""

    def __init__(self) -> None:
        self._all: list[Metric] = []
        self.in_flight: dict[str, int] = {"mutating": 0, "readOnly": 0}
        labels = ("code", "component", "dry_run", "group", "resource", "scope", "subresource", "verb", "version")
        self.requests = Counter("apiserver_request_total", "[STABLE] Counter of apiserver requests.", labels)
        self.durations = Histogram(
            "apiserver_request_duration_seconds",
            "[STABLE] Response latency distribution in seconds.",
            DURATION_BUCKETS,
            labels[1:],
        )
        self.long_running: dict[Labels, int] = {}
        self.lag = Histogram("pocketkube_loop_lag_seconds", "How late the event loop came to its timer.", LAG_BUCKETS)
        self.add(self.requests)
        self.add(self.durations)
        self.add(
            Gauge(
                "apiserver_current_inflight_requests",
                "[STABLE] Maximal number of currently used inflight request limit of this apiserver per request kind.",
                lambda: [((kind,), float(number)) for kind, number in self.in_flight.items()],
                ("request_kind",),
            )
        )
        self.add(
            Gauge(
                "apiserver_longrunning_requests",
                "[STABLE] Gauge of all active long-running apiserver requests.",
                lambda: [(values, float(number)) for values, number in sorted(self.long_running.items())],
                ("component", "group", "resource", "scope", "subresource", "verb", "version"),
            )
        )
        self.add(self.lag)
        self._started = time.time()
        for gauge in _process_metrics(self._started):
            self.add(gauge)

    def add(self, metric: Metric) -> None:
        self._all.append(metric)

    def observe_request(self, request: Request, info: RequestInfo, code: int, seconds: float) -> None:
        labels = _request_labels(request, info)
        self.requests.add((str(code), *labels))
        self.durations.observe(seconds, labels)

    def counted(self, request: Request, info: RequestInfo, response: StreamResponse) -> None:
        """Count a stream as long as it runs."""
        labels = _request_labels(request, info)
        labels = (labels[0], *labels[2:])
        run = response.run

        async def counted_run(sink: Sink) -> None:
            self.long_running[labels] = self.long_running.get(labels, 0) + 1
            try:
                await run(sink)
            finally:
                self.long_running[labels] -= 1

        response.run = counted_run

    def render(self) -> bytes:
        return "".join(f"{line}\n" for metric in self._all for line in metric.lines()).encode()

    async def serve(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.requests.values.clear()
            self.durations.values.clear()
            return Response(200, b"metrics reset\n", "text/plain; charset=utf-8")
        return exposition(self.render(), self._started)


def exposition(body: bytes, started: float) -> Response:
    """Metrics as they go out, beside the time (component-base metrics/processstarttime.go) at which their process began."""
    return Response(200, body, CONTENT_TYPE, [("Process-Start-Time-Unix", str(int(started)))])


_VERBS = {"create": "POST", "update": "PUT", "get": "GET", "list": "LIST", "watch": "WATCH", "patch": "PATCH"}


def _request_labels(request: Request, info: RequestInfo) -> Labels:
    """component, dry_run, group, resource, scope, subresource, verb, version: few values, whatever clients send."""
    if not info.is_resource:
        path = info.path if info.path in ("/version", "/healthz", "/livez", "/readyz", "/metrics") else ""
        return ("", "", "", "", "", path, "GET" if info.verb == "get" else "other", "")
    verb = _VERBS.get(info.verb) or info.verb.upper()
    if verb == "PATCH" and request.headers.get("content-type", "").startswith("application/apply-patch"):
        verb = "APPLY"
    if info.name:
        scope = "resource"
    else:
        scope = "namespace" if info.namespace else "cluster"
    dry_run = "All" if request.raw_query and request.query.get("dryRun") == "All" else ""
    return ("apiserver", dry_run, info.group, info.resource, scope, info.subresource, verb, info.version)


def _process_metrics(started: float) -> Iterator[Gauge]:

    def one(read: Callable[[], float]) -> Callable[[], Iterable[tuple[Labels, float]]]:
        return lambda: [((), read())]

    yield _as_counter(
        "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", one(time.process_time)
    )
    yield Gauge("process_resident_memory_bytes", "Resident memory size in bytes.", one(resident_bytes))
    yield Gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", one(lambda: _statm(0)))
    yield Gauge("process_open_fds", "Number of open file descriptors.", one(_open_files))
    yield Gauge(
        "process_max_fds",
        "Maximum number of open file descriptors.",
        one(lambda: float(rusage.getrlimit(rusage.RLIMIT_NOFILE)[0])),
    )
    yield Gauge(
        "process_start_time_seconds", "Start time of the process since unix epoch in seconds.", one(lambda: started)
    )


def _as_counter(name: str, help: str, read: Callable[[], Iterable[tuple[Labels, float]]]) -> Gauge:
    gauge = Gauge(name, help, read)
    gauge.kind = "counter"
    return gauge


def _statm(field: int) -> float:
    try:
        return float(int(Path("/proc/self/statm").read_text().split()[field]) * os.sysconf("SC_PAGE_SIZE"))
    except OSError:  # not Linux
        return 0.0


def resident_bytes() -> float:
    return _statm(1) or float(rusage.getrusage(rusage.RUSAGE_SELF).ru_maxrss * 1024)


def _open_files() -> float:
    try:
        return float(sum(1 for _ in Path("/proc/self/fd").iterdir()))
    except OSError:
        return 0.0
