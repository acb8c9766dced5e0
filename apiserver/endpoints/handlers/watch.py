"""A watch over HTTP or a WebSocket (upstream endpoints/handlers/watch.go)."""

from __future__ import annotations

from apiserver.apimachinery.http import AnyResponse, Request, Sink, StreamResponse, UpgradeResponse, WebSocket
from apiserver.endpoints.handlers import answers
from apiserver.endpoints.handlers.list import list_options
from apiserver.endpoints.scope import Scope
from apiserver.registry.rendition import PARTIAL_LIST, TABLE
from apiserver.registry.table import check_include

MIN_REQUEST_TIMEOUT = (
    1800.0  # seconds, as --min-request-timeout; a watch without a timeout ends after one to two of these
)


async def watch(scope: Scope, request: Request) -> AnyResponse:
    """Events of a collection, or of one object, from a revision on."""
    form = answers.negotiate(scope, request)
    options = list_options(scope, request, watch=True)
    min_timeout = float(scope.options.get("min_request_timeout", MIN_REQUEST_TIMEOUT))
    watching = await scope.store.watch(
        scope.context(request), options, form._replace(pretty=False), min_timeout=min_timeout
    )
    if form.kind == TABLE:
        check_include(form.include)
    answers.negotiate(scope, request, stream=True)
    if form.kind == PARTIAL_LIST:
        return StreamResponse(200, _nothing)
    if request.upgrade is not None:

        async def over_socket(socket: WebSocket) -> None:
            await socket.accept()
            await watching.run(socket.sink(text=True))

        return UpgradeResponse(over_socket)
    return StreamResponse(200, watching.run)


async def _nothing(sink: Sink) -> None:
    """No event can be shown as a list: upstream's stream ends at the first."""
