"""Answers of writes: a record, a plain object, a list or a Status in the form the client asked for."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.http import Request, Response
from apiserver.apimachinery.objects import Object
from apiserver.endpoints.responses import encode_json, wants_pretty
from apiserver.endpoints.scope import Scope
from apiserver.registry.reading import Listing
from apiserver.registry.rendition import Form
from apiserver.storage.cacher.record import Record


def negotiate(scope: Scope, request: Request) -> Form:
    """The form of the answer; 406 when there is none."""
    return Form(scope.version)


def record_answer(scope: Scope, request: Request, form: Form, record: Record, status: int) -> Response:
    return object_answer(scope, request, form, scope.store.object(record), status)


def object_answer(scope: Scope, request: Request, form: Form, obj: Object, status: int) -> Response:
    return Response(status, encode_json(obj, wants_pretty(request)))


def list_answer(scope: Scope, request: Request, form: Form, listing: Listing) -> Response:
    items = [scope.store.object(record) for record in listing.records]
    meta: dict[str, Any] = {"resourceVersion": str(listing.revision)}
    if listing.continue_token:
        meta["continue"] = listing.continue_token
    resource = scope.resource
    body = {
        "kind": resource.list_kind_name,
        "apiVersion": resource.gvk(scope.version).api_version,
        "metadata": meta,
        "items": items,
    }
    return object_answer(scope, request, form, body, 200)


def success_answer(scope: Scope, request: Request, form: Form, details: Object, status: int, code: int = 0) -> Response:
    """A Status that says what succeeded."""
    body: Object = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }
    if code:
        body["code"] = code
    return object_answer(scope, request, form, body, status)
