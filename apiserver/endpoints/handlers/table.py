"""The handlers of one scope, by verb: the one place that knows them all."""

from __future__ import annotations

from apiserver.endpoints.handlers.reads import read_handlers
from apiserver.endpoints.handlers.writes import ScopeHandler, write_handlers
from apiserver.endpoints.scope import Scope


def of(scope: Scope) -> dict[str, ScopeHandler]:
    """Every verb that the scope's resource or subresource declares → its handler."""
    return {**read_handlers(scope), **write_handlers(scope)}
