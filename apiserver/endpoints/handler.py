"""The request path: every request goes through here, step by step, in upstream's order (server/config.go,
DefaultBuildHandlerChain): audit id, request info, deadline, authentication, impersonation, authorization, dispatch.

A StatusError on the way becomes its Status; anything else a 500 that is logged with its audit id, no stack on the wire.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.http import AnyResponse, Request, RequestInfo, Response, StreamResponse
from apiserver.apimachinery.rand import Random
from apiserver.auth.impersonation import Impersonation
from apiserver.auth.interface import Authenticator, Authorizer
from apiserver.auth.text import go_quote
from apiserver.endpoints.filters.audit_id import assign_audit_id
from apiserver.endpoints.filters.authentication import authenticate
from apiserver.endpoints.filters.authorization import authorize
from apiserver.endpoints.filters.compression import Compressor, compress
from apiserver.endpoints.filters.deadline import Deadlines, RequestTimeoutError, timeout_of, timeout_response
from apiserver.endpoints.filters.impersonation import impersonate
from apiserver.endpoints.filters.warning import warning_headers
from apiserver.endpoints.index import Paths
from apiserver.endpoints.metrics import Metrics
from apiserver.endpoints.request_info import BadPath, is_long_running, request_info
from apiserver.endpoints.responses import plain_not_found, resource_not_found, status_response, text_response
from apiserver.endpoints.routing import Router

log = logging.getLogger(__name__)

CACHE_CONTROL = ("Cache-Control", "no-cache, private")
PANIC = "This request caused apiserver to panic. Look in the logs for details."
_UNKNOWN = RequestInfo(False, "", "")  # what clients make up is not counted under its name
READ_ONLY = ("get", "list", "watch")

# The seat of priority and fairness: the uids of the FlowSchema and the PriorityLevel a request was sorted into.
Classify = Callable[[Request], tuple[str, str] | None]


class RequestPath:
    """The server's Handler."""

    def __init__(
        self,
        *,
        clock: Clock,
        rand: Random,
        authenticator: Authenticator,
        authorizer: Authorizer,
        router: Router,
        paths: Paths,
        metrics: Metrics,
        deadlines: Deadlines,
        compressor: Compressor | None = None,
        classify: Classify | None = None,
    ) -> None:
        self._clock = clock
        self._rand = rand
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._impersonation = Impersonation(authorizer)
        self._router = router
        self._paths = paths
        self._metrics = metrics
        self._deadlines = deadlines
        self._compressor = compressor
        self._classify = classify

    async def __call__(self, request: Request) -> AnyResponse:
        assign_audit_id(request, self._rand)
        request.received = self._clock.now()
        try:
            request.info = info = request_info(request)
        except BadPath as e:
            return _with_audit_id(request, _bad_path(request, e))
        response = await self._answer(request, info)
        headers = response.headers
        headers.append(("Audit-Id", request.audit_id))
        if len(headers) == 1 or not any(name == "Cache-Control" for name, _ in headers):
            headers.append(CACHE_CONTROL)
        if request.warnings:
            headers += warning_headers(request.warnings)
        code = response.status if not hasattr(response, "run") or isinstance(response, StreamResponse) else 101
        known = not info.is_resource or self._router.serves(info)
        self._metrics.observe_request(request, info if known else _UNKNOWN, code, self._clock.now() - request.received)
        return response

    async def _answer(self, request: Request, info: RequestInfo) -> AnyResponse:
        in_flight = self._metrics.in_flight
        kind = "readOnly" if info.verb in READ_ONLY else "mutating"
        in_flight[kind] += 1
        try:
            if is_long_running(info):
                response = await self._serve(request, info)
                if isinstance(response, StreamResponse):
                    self._metrics.counted(request, info, response)
                return response
            with self._deadlines.limit(timeout_of(request, self._deadlines.longest)):
                return await self._serve(request, info)
        except StatusError as e:
            return _error_response(request, e)
        except RequestTimeoutError:
            return timeout_response()
        except asyncio.CancelledError:
            raise
        except Exception:
            facts = {"method": request.method, "uri": request.path, "audit_id": request.audit_id}
            log.exception("request failed unexpectedly", extra=facts)
            return text_response(500, PANIC)
        finally:
            in_flight[kind] -= 1

    async def _serve(self, request: Request, info: RequestInfo) -> AnyResponse:
        await authenticate(request, self._authenticator)
        await impersonate(request, self._impersonation)
        await authorize(request, self._authorizer)
        response = await self._dispatch(request, info)
        if self._compressor is not None and isinstance(response, Response):
            return compress(request, info, response, self._compressor)
        return response

    async def _dispatch(self, request: Request, info: RequestInfo) -> AnyResponse:
        if info.is_resource:
            handler = self._router.find(request, info)
        else:
            handler = self._paths.find(request)
            if handler is None and self._router.knows(request.path):
                raise resource_not_found()
        return plain_not_found() if handler is None else await handler(request)


def _error_response(request: Request, error: StatusError) -> Response:
    response = status_response(request, error)
    response.headers += error.headers
    return response


def _bad_path(request: Request, error: BadPath) -> Response:
    """500 in plain text, as upstream's InternalError."""
    uri = f"{request.path}?{request.raw_query}" if request.raw_query else request.path
    text = f"Internal Server Error: {go_quote(uri)}: failed to create RequestInfo: {error}, {uri}"
    return text_response(500, text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def _with_audit_id(request: Request, response: Response) -> Response:
    response.headers.append(("Audit-Id", request.audit_id))
    return response
