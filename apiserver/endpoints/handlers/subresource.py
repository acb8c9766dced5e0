"""Subresources and virtual resources with a logic of their own: get, create, update, patch over a SubresourceRest."""

from __future__ import annotations

from apiserver.apimachinery.http import AnyResponse, Request, Response
from apiserver.apimachinery.objects import Object
from apiserver.endpoints.handlers import answers, bodies, patch, update
from apiserver.endpoints.handlers.admitting import Write
from apiserver.endpoints.handlers.create import prepare
from apiserver.endpoints.handlers.get import resource_version
from apiserver.endpoints.options import create_options
from apiserver.endpoints.scope import Scope
from apiserver.registry.rendition import Form
from apiserver.registry.writing import Updater


async def get_rest(scope: Scope, request: Request) -> AnyResponse:
    """GET of a subresource that is computed; one with `stream` answers for itself (logs), in what form was asked for or not."""
    form = answers.negotiate(scope, request)
    if (stream := getattr(scope.rest, "stream", None)) is not None:
        assert request.info is not None
        streamed: AnyResponse = await stream(scope.context(request), request.info.name, request)
        return streamed
    assert request.info is not None
    version = resource_version(request.query) if request.raw_query else ""
    obj = await scope.rest.get(scope.context(request), request.info.name, resource_version=version)
    return answers.object_answer(scope, request, form, obj, 200)


async def create_rest(scope: Scope, request: Request) -> Response:
    """POST: an action on an object (eviction, token), or a question (reviews)."""
    form = answers.negotiate(scope, request)
    media_type = bodies.media_type(scope, request)
    data = await request.body()
    write = Write(scope, request, create_options(request.query))
    obj = bodies.decode(write, data, media_type)
    if not write.name:
        write.name = (obj.get("metadata") or {}).get("name") or ""
    prepare(write, obj, keep_system_fields=getattr(scope.rest, "keeps_system_fields", False))
    write.own(None, obj)
    await write.admit(obj, None)
    options = write.options.as_object("CreateOptions")
    result = await scope.rest.create(write.ctx, write.name, obj, options, write.validate_create)
    if result.get("kind") == "Status" and not result.get("code"):
        result["code"] = 201
    if not result.get("kind") or not result.get("apiVersion"):  # a body may leave both to the path
        told = {"kind": scope.gvk.kind, "apiVersion": str(scope.gvk.group_version)}
        result = told | {k: v for k, v in result.items() if k not in told}
    return answers.object_answer(scope, request, form, result, 201)


async def update_rest(scope: Scope, request: Request) -> Response:
    """PUT of a computed subresource."""
    form = answers.negotiate(scope, request)
    write, updater, _ = await update.begin(scope, request)
    return await _update(write, updater, form)


async def patch_rest(scope: Scope, request: Request) -> Response:
    """PATCH of a computed subresource."""
    patch_type = patch.media_type(scope.resource, request)
    form = answers.negotiate(scope, request)
    write, updater = await patch.begin(scope, request, patch_type)
    return await _update(write, updater, form)


async def _update(write: Write, updater: Updater, form: Form) -> Response:
    scope = write.scope

    async def change(old: Object) -> Object:
        return await updater(old)

    options = write.options.as_object("UpdateOptions")
    obj = await scope.rest.update(write.ctx, write.name, change, options, write.validate_update)
    return answers.object_answer(scope, write.request, form, obj, 200)
