"""Which handler answers which writing verb of a scope: the table the composition root asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from apiserver.apimachinery.apply import FieldManager
from apiserver.apimachinery.gvk import GroupVersionKind
from apiserver.apimachinery.http import AnyResponse, Request
from apiserver.apimachinery.schema import Schema
from apiserver.apimachinery.schemas import builtin
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


def write_handlers(scope: Scope) -> dict[str, ScopeHandler]:
    """By verb, those that the scope's resource or subresource declares. Where `scope.rest` is set, `get` is among them."""
    part = scope.subresource
    verbs = scope.resource.verbs if part is None else part.verbs
    table = _STORED if scope.rest is None else _COMPUTED
    if part is not None and part.kind is not None:
        scope.field_manager = _field_manager(part.kind)
    return {verb: table[verb] for verb in verbs if verb in table}


def _field_manager(gvk: GroupVersionKind) -> FieldManager:
    """Ownership of the fields of a subresource whose bodies have a kind of their own; it has one version."""
    return FieldManager(gvk.kind, gvk.api_version, lambda version: _schema(gvk, version))


def _schema(gvk: GroupVersionKind, api_version: str) -> Schema:
    if api_version != gvk.api_version:
        raise KeyError(api_version)
    return builtin().schema(gvk)
