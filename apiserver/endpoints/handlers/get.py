"""GET of one object (upstream endpoints/handlers/get.go, GetResource)."""

from __future__ import annotations

from apiserver.apimachinery.errors import bad_request
from apiserver.apimachinery.http import Query, Request, Response
from apiserver.endpoints.handlers import answers
from apiserver.endpoints.scope import Scope
from apiserver.registry.list_options import parse_bool


async def get(scope: Scope, request: Request) -> Response:
    """The object of the path, also under a subresource that is the object itself (`/status`)."""
    info = request.info
    assert info is not None
    form = answers.negotiate(scope, request)
    version = resource_version(request.query) if request.raw_query else ""
    record = await scope.store.get(scope.context(request), info.name, resource_version=version)
    return answers.record_answer(scope, request, form, record, 200)


def resource_version(query: Query) -> str:
    """How old the object may be; 400 for the export of old."""
    if "export" in query and parse_bool(query["export"]):
        raise bad_request("the export parameter, deprecated since v1.14, is no longer supported")
    return query.get("resourceVersion", "")
