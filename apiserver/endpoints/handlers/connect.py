"""CONNECT: the request is handed to the subresource as it is (log, exec, attach, portforward, proxy).

Mirrors upstream ConnectResource (endpoints/handlers/rest.go).
"""

from __future__ import annotations

from apiserver.admission.interface import CONNECT
from apiserver.apimachinery.errors import bad_request
from apiserver.apimachinery.http import AnyResponse, Request
from apiserver.endpoints.handlers.admitting import Write
from apiserver.endpoints.options import WriteOptions
from apiserver.endpoints.scope import Scope


async def connect(scope: Scope, request: Request) -> AnyResponse:
    """Admit, then connect. A `rest` with `connect_options(request)` tells admission what is asked for."""
    if "dryRun" in request.query:
        raise bad_request("dryRun is not supported")
    write = Write(scope, request, WriteOptions())
    make_options = getattr(scope.rest, "connect_options", None)
    options = make_options(request) if make_options is not None else {}
    if scope.admission is not None:
        attributes = write.attributes(CONNECT, options, None, {})
        await scope.admission.admit(attributes)
        await scope.admission.validate(attributes)
    response: AnyResponse = await scope.rest.connect(write.ctx, write.name, request)
    return response
