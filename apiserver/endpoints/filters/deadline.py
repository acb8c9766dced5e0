"""Requests have an end: --request-timeout, or the shorter `?timeout=` the client asks for (upstream WithRequestDeadline,
WithTimeout).

One timer serves all requests in flight: a request costs two dict operations, no timer and no task of its own.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from apiserver.apimachinery.duration import parse_go
from apiserver.apimachinery.errors import bad_request
from apiserver.apimachinery.http import Request, Response
from apiserver.endpoints.responses import TEXT

REQUEST_TIMEOUT = 60.0  # upstream's --request-timeout
SWEEP = 1.0  # how late a request of the common timeout may be noticed

# Upstream's timeout handler writes the bare Status, without kind, as text.
_BODY = (
    b'{"metadata":{},"status":"Failure","message":"Timeout: request did not complete within the allotted timeout",'
    b'"reason":"Timeout","details":{},"code":504}\n'
)


class RequestTimeoutError(Exception):
    """The request's time is over."""


def timeout_response() -> Response:
    return Response(504, _BODY, TEXT)


def timeout_of(request: Request, longest: float = REQUEST_TIMEOUT) -> float:
    """The seconds this request may take; raises the 400 for a `timeout` that is no duration."""
    if not request.raw_query or "timeout" not in request.query or not (asked := request.query["timeout"]):
        return longest
    try:
        seconds = parse_go(asked)
    except ValueError as e:
        raise bad_request(f"invalid timeout specified in the request URL - {e}") from None
    return seconds if 0 < seconds < longest else longest


class _Flight:
    """One request in flight; as a context manager it turns the sweeper's cancellation into RequestTimeoutError."""

    __slots__ = ("_deadlines", "deadline", "expired", "task")

    def __init__(self, deadlines: Deadlines, deadline: float, task: asyncio.Task[object]) -> None:
        self._deadlines = deadlines
        self.deadline = deadline
        self.task = task
        self.expired = False

    def __enter__(self) -> None:
        self._deadlines.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deadlines.remove(self)
        if self.expired and self.task.uncancel() <= 0 and kind is asyncio.CancelledError:
            raise RequestTimeoutError from error


class Deadlines:
    """The requests in flight that have a deadline, `longest` seconds at most."""

    def __init__(self, loop: asyncio.AbstractEventLoop, longest: float = REQUEST_TIMEOUT) -> None:
        self._loop = loop
        self.longest = longest
        self._flights: dict[_Flight, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._flights)

    def limit(self, seconds: float) -> _Flight:
        """A context manager for what the current task does next; raises RequestTimeoutError out of it."""
        task = asyncio.current_task()
        assert task is not None
        if seconds < self.longest:
            self._loop.call_later(seconds, self._sweep)
        return _Flight(self, self._loop.time() + seconds, task)

    def add(self, flight: _Flight) -> None:
        self._flights[flight] = None
        if self._timer is None:
            self._timer = self._loop.call_later(self.longest, self._tick)

    def remove(self, flight: _Flight) -> None:
        self._flights.pop(flight, None)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        self._sweep()
        if self._flights:
            self._timer = self._loop.call_later(SWEEP, self._tick)

    def _sweep(self) -> None:
        now = self._loop.time()
        for flight in list(self._flights):
            if flight.deadline <= now and not flight.expired:
                flight.expired = True
                flight.task.cancel()
