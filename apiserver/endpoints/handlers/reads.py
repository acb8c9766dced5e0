"""Which handler answers which reading verb of a scope."""

from __future__ import annotations

from apiserver.endpoints.handlers.get import get
from apiserver.endpoints.handlers.list import list_
from apiserver.endpoints.handlers.watch import watch
from apiserver.endpoints.handlers.writes import ScopeHandler
from apiserver.endpoints.scope import Scope

_STORED: dict[str, ScopeHandler] = {"get": get, "list": list_, "watch": watch}


def read_handlers(scope: Scope) -> dict[str, ScopeHandler]:
    """By verb, those that the scope's resource or subresource declares; computed ones answer reads themselves."""
    if scope.rest is not None or scope.store is None:
        return {}
    verbs = scope.resource.verbs if scope.subresource is None else scope.subresource.verbs
    return {verb: _STORED[verb] for verb in verbs if verb in _STORED}
