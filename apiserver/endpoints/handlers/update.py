"""PUT: decode, then old → new within the Store's loop. Mirrors upstream endpoints/handlers/update.go."""

from __future__ import annotations

from apiserver.apimachinery import objects
from apiserver.apimachinery.http import Request, Response
from apiserver.apimachinery.objects import Object
from apiserver.endpoints.handlers import answers, bodies
from apiserver.endpoints.handlers.admitting import Write, check_name
from apiserver.endpoints.options import update_options
from apiserver.endpoints.scope import Scope
from apiserver.registry import metadata
from apiserver.registry.writing import Updater


async def update(scope: Scope, request: Request) -> Response:
    """Replace an object, or its part that a status-like subresource stands for."""
    form = answers.negotiate(scope, request)
    write, updater, uid = await begin(scope, request)
    record, created = await scope.store.update(
        write.ctx,
        write.name,
        updater,
        strategy=write.strategy,
        preconditions={"uid": uid} if uid else None,
        validate=write.validate_update,
        validate_create=write.authorized_create,
    )
    return answers.record_answer(scope, request, form, record, 201 if created else 200)


async def begin(scope: Scope, request: Request) -> tuple[Write, Updater, str]:
    """The write, what makes the new object of the old one, and the uid the client expects."""
    data = await request.body()
    write = Write(scope, request, update_options(request.query))
    media_type = bodies.media_type(scope, request)
    first = decode_named(write, data, media_type)
    # A lost race asks again: the first object is used up by then.
    pending: list[Object] = [first]

    async def updater(old: Object | None) -> Object:
        obj = pending.pop() if pending else decode_named(write, data, media_type)
        write.own(old, obj)
        await write.admit(obj, old)
        return obj

    return write, updater, first["metadata"].get("uid") or ""


def decode_named(write: Write, data: bytes, media_type: str) -> Object:
    """The body, with the name and namespace of the URL."""
    obj = bodies.decode(write, data, media_type)
    meta = objects.metadata(obj)
    metadata.match_namespace(write.object_namespace, meta)
    check_name(obj, write.name, write.namespace)
    metadata.dedup_owners(obj, write.warnings, False)
    return obj
