"""POST: decode, admit, store. Mirrors upstream endpoints/handlers/create.go."""

from __future__ import annotations

from apiserver.apimachinery import objects
from apiserver.apimachinery.http import Request, Response
from apiserver.apimachinery.objects import Object
from apiserver.endpoints.handlers import answers, bodies
from apiserver.endpoints.handlers.admitting import Write
from apiserver.endpoints.options import create_options
from apiserver.endpoints.scope import Scope
from apiserver.registry import metadata


async def create(scope: Scope, request: Request) -> Response:
    """Create an object of the scope's resource."""
    form = answers.negotiate(scope, request)
    media_type = bodies.media_type(scope, request)
    data = await request.body()
    write = Write(scope, request, create_options(request.query))
    obj = bodies.decode(write, data, media_type)
    prepare(write, obj)
    write.own(None, obj)
    await write.admit(obj, None)
    record = await scope.store.create(write.ctx, obj, validate=write.validate_create)
    return answers.record_answer(scope, request, form, record, 201)


def prepare(write: Write, obj: Object, keep_system_fields: bool = False) -> None:
    """What a client may not say of a new object goes; name and namespace are those of the request."""
    meta = objects.metadata(obj)
    if write.scope.resource.plural == "namespaces" and not write.scope.resource.group and not write.namespace:
        write.namespace = meta.get("name") or ""
    if not keep_system_fields:
        metadata.wipe_system_fields(meta)
    metadata.match_namespace(write.object_namespace, meta)
    metadata.dedup_owners(obj, write.warnings, False)
