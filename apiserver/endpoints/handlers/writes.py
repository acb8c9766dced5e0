"""Which handler answers which writing verb of a scope: the table the composition root asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from apiserver.apimachinery.http import AnyResponse, Handler, Request
from apiserver.endpoints.handlers import connect, create, delete, patch, subresource, update
from apiserver.endpoints.scope import Scope

ScopeHandler = Callable[[Scope, Request], Awaitable[AnyResponse]]

_STORED: dict[str, ScopeHandler] = {
    "create": create.create,
    "update": update.update,
    "patch": patch.patch,
    "delete": delete.delete,
    "deletecollection": delete.delete_collection,
}
_COMPUTED: dict[str, ScopeHandler] = {
    "get": subresource.get_rest,
    "create": subresource.create_rest,
    "update": subresource.update_rest,
    "patch": subresource.patch_rest,
    "connect": connect.connect,
}


def write_handlers(scope: Scope) -> dict[str, Handler]:
    """By verb, those that the scope's resource or subresource declares. Where `scope.rest` is set, `get` is among them."""
    part = scope.subresource
    verbs = scope.resource.verbs if part is None else part.verbs
    table = _STORED if scope.rest is None else _COMPUTED
    return {verb: partial(table[verb], scope) for verb in verbs if verb in table}
