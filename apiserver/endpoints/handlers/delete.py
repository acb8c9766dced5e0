"""DELETE of one object or of a collection. Mirrors upstream endpoints/handlers/delete.go."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.errors import forbidden, invalid, invalid_object
from apiserver.apimachinery.gvk import GroupKind
from apiserver.apimachinery.http import Request, Response
from apiserver.apimachinery.objects import Object
from apiserver.auth.interface import ALLOW, AuthorizerAttributes
from apiserver.endpoints.handlers import answers, bodies
from apiserver.endpoints.handlers.admitting import Delete
from apiserver.endpoints.options import delete_options
from apiserver.endpoints.scope import Scope
from apiserver.registry.delete_options import META_GROUP, UNSAFE_DELETE, check_delete_options
from apiserver.registry.deleting import Deletion
from apiserver.registry.list_options import parse_list_options
from apiserver.registry.rendition import Form
from apiserver.registry.selection import check_fields

_UNSAFE_VERB = "unsafe-delete-ignore-read-errors"


async def delete(scope: Scope, request: Request) -> Response:
    """Delete one object; the answer is the object, or a Status that says what is gone."""
    form = answers.negotiate(scope, request)
    options = await _options(scope, request)
    check_delete_options(options)
    write = Delete(scope, request, options)
    if options.get(UNSAFE_DELETE):
        return await _delete_unreadable(write, form)
    deletion = await scope.store.deletion(write.ctx, write.name, options, validate=write.validate_delete)
    accepted = not deletion.gone and options.get("orphanDependents") is False
    return _answer(write, form, deletion, 202 if accepted else 200)


async def delete_collection(scope: Scope, request: Request) -> Response:
    """Delete everything that the selectors select; the answer lists it."""
    form = answers.negotiate(scope, request)
    list_options = parse_list_options(request.query)
    check_fields(scope.resource, list_options.field_selector)
    options = await _options(scope, request)
    check_delete_options(options)
    if options.get(UNSAFE_DELETE):
        detail = "is not allowed with DELETECOLLECTION, try again after removing the option"
        found = [invalid(UNSAFE_DELETE, True, detail)]
        raise invalid_object(GroupKind(META_GROUP, "DeleteOptions"), "", found)
    write = Delete(scope, request, options)
    listing = await scope.store.delete_collection(write.ctx, options, list_options, validate=write.validate_delete)
    return answers.list_answer(scope, request, form, listing)


async def _options(scope: Scope, request: Request) -> Object:
    """DeleteOptions: the body's where there is one, else the query's."""
    data = await request.body()
    if not data:
        return delete_options(request.query)
    return bodies.decode_delete_options(data, bodies.media_type(scope, request))


def _answer(write: Delete, form: Form, deletion: Deletion, status: int) -> Response:
    scope, record = write.scope, deletion.record
    if not deletion.finalized or scope.resource.strategy.return_deleted_object:
        return answers.record_answer(scope, write.request, form, record, status)
    details: dict[str, Any] = {"name": record.name, "group": scope.resource.group, "kind": scope.resource.plural}
    details["uid"] = record.uid
    return answers.success_answer(scope, write.request, form, {k: v for k, v in details.items() if v}, status)


async def _delete_unreadable(write: Delete, form: Form) -> Response:
    """The option of last resort; it takes a right of its own."""
    scope = write.scope
    attributes = AuthorizerAttributes(
        user=write.ctx.user,
        verb=_UNSAFE_VERB,
        is_resource=True,
        group=scope.resource.group,
        version=scope.version,
        resource=scope.resource.plural,
        namespace=write.namespace,
        name=write.name,
    )
    decision = await scope.authorizer.authorize(attributes)
    if decision.verdict != ALLOW:
        why = f'not permitted to do "{_UNSAFE_VERB}", reason: {decision.reason}'
        raise forbidden(scope.resource.group_resource, write.name, why)
    await scope.store.delete_unreadable(write.ctx, write.name)
    return answers.success_answer(
        scope, write.request, form, {"name": write.name, "kind": scope.resource.kind}, 200, 200
    )
