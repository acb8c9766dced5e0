"""GET of a collection (upstream endpoints/handlers/get.go, ListResource)."""

from __future__ import annotations

from apiserver.apimachinery import fields
from apiserver.apimachinery.errors import bad_request
from apiserver.apimachinery.http import Request, Response
from apiserver.endpoints.handlers import answers
from apiserver.endpoints.scope import Scope
from apiserver.registry.list_options import ListOptions, parse_list_options
from apiserver.registry.selection import NAME, check_fields


async def list_(scope: Scope, request: Request) -> Response:
    """A page of the collection, or all of it."""
    form = answers.negotiate(scope, request)
    options = list_options(scope, request)
    listing = await scope.store.list(scope.context(request), options)
    return await answers.large_list_answer(scope, request, form, listing)


def list_options(scope: Scope, request: Request, *, watch: bool = False) -> ListOptions:
    """The request's ListOptions. A name in the path selects as the field selector does, and must not contradict it."""
    options = parse_list_options(request.query, force_watch=watch)
    name = request.info.name if request.info is not None else ""
    if name:
        if options.field_selector.empty:
            options.field_selector = fields.Selector((fields.Requirement(NAME, "=", name),))
            return options
        check_fields(scope.resource, options.field_selector)
        if options.field_selector.requires_exact_match(NAME) != name:
            raise bad_request("fieldSelector metadata.name doesn't match requested name")
    return options
