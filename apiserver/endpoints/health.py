"""`/healthz`, `/livez`, `/readyz`: named checks, alone or together, in upstream's words (apiserver/pkg/server/healthz)."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from apiserver.apimachinery.http import Request, Response
from apiserver.endpoints.responses import TEXT, plain_not_found, text_response
from apiserver.endpoints.slis import HealthIndicators

log = logging.getLogger(__name__)

PATHS = ("healthz", "livez", "readyz")


class Unhealthy(Exception):
    """Raised by a check; the message is for the log and for who may ask for this check alone."""


class Check(NamedTuple):
    name: str
    run: Callable[[], Awaitable[None]]
    paths: tuple[str, ...]


async def always_healthy() -> None:
    return None


class Condition:
    """A check that holds once `met()` was called: what post-start hooks report by."""

    def __init__(self) -> None:
        self.is_met = False

    def met(self) -> None:
        self.is_met = True

    async def __call__(self) -> None:
        if not self.is_met:
            raise Unhealthy("not finished")


class Health:
    """The server's checks, in order. `add` may be called until the server starts."""

    def __init__(self) -> None:
        self._checks: list[Check] = []
        self.indicators = HealthIndicators()

    def add(self, name: str, run: Callable[[], Awaitable[None]], paths: Sequence[str] = PATHS) -> None:
        self._checks.append(Check(name, run, tuple(paths)))

    def hook(self, name: str) -> Condition:
        """The check of a post-start hook; the hook calls `met()` on what this returns."""
        condition = Condition()
        self.add(f"poststarthook/{name}", condition)
        return condition

    def paths(self) -> list[str]:
        """Every path served, for the index."""
        roots = [f"/{path}" for path in PATHS]
        return roots + [f"/{path}/{check.name}" for check in self._checks for path in check.paths]

    async def serve(self, request: Request) -> Response:
        """The answer to a request under one of PATHS; plain 404 when the path names no check."""
        root, _, name = request.path[1:].partition("/")
        checks = [check for check in self._checks if root in check.paths]
        if request.path == f"/{root}":
            return await self._all(root, checks, request)
        check = next((c for c in checks if c.name == name), None)
        return plain_not_found() if check is None else await self._one(check)

    async def failing(self, root: str) -> list[str]:
        """The names of the checks under `root` that do not hold now."""
        return [c.name for c in self._checks if root in c.paths and await _reason(c) is not None]

    async def _one(self, check: Check) -> Response:
        reason = await _reason(check)
        if reason is not None:
            return text_response(500, f"internal server error: {reason}")
        return Response(200, b"ok", TEXT)

    async def _all(self, root: str, checks: Sequence[Check], request: Request) -> Response:
        excluded = dict.fromkeys(request.query.all("exclude"))
        lines: list[str] = []
        failures: list[str] = []
        for check in checks:
            if check.name in excluded:
                lines.append(f"[+]{check.name} excluded: ok")
                continue
            reason = await _reason(check)
            self.indicators.observe(check.name, root, reason is None)
            if reason is not None:
                lines.append(f"[-]{check.name} failed: reason withheld")
                failures.append(f"{check.name}: {reason}")
            else:
                lines.append(f"[+]{check.name} ok")
        names = {check.name for check in checks}
        if unknown := sorted(name for name in excluded if name not in names):
            quoted = ", ".join(json.dumps(name) for name in unknown)
            lines.append(f"warn: some health checks cannot be excluded: no matches for {quoted}")
        if failures:
            log.debug("health checks failed", extra={"path": root, "failures": failures})
            return text_response(500, "\n".join([*lines, f"{root} check failed"]))
        verbose = "verbose" in request.query
        text = "\n".join([*lines, f"{root} check passed", ""]) if verbose else "ok"
        return Response(200, text.encode(), TEXT, [("X-Content-Type-Options", "nosniff")])


async def _reason(check: Check) -> str | None:
    """Why the check does not hold, or None."""
    try:
        await check.run()
    except Unhealthy as e:
        return str(e)
    return None
