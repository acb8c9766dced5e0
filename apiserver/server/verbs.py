"""From an installed Resource to its handlers: one Scope for each version and subresource, one bound function per verb."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from apiserver.apimachinery.apply.manager import FieldManager
from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.gvk import GroupResource, GroupVersion, GroupVersionKind
from apiserver.apimachinery.rand import Random
from apiserver.apimachinery.schema import Schema
from apiserver.apimachinery.schemas import builtin
from apiserver.endpoints.handlers import table as handlers
from apiserver.endpoints.installer import Installed, Verbs
from apiserver.endpoints.scope import Scope
from apiserver.registry.dependencies import Dependencies
from apiserver.registry.resource import Resource, Subresource


class VerbMaker:
    """Builds what a resource's handlers share. `dependencies` and `admission` are set before the first resource comes."""

    dependencies: Dependencies
    admission: Any = None  # apiserver.admission.chain.AdmissionChain

    def __init__(self, clock: Clock, rand: Random, options: dict[str, Any]) -> None:
        self._clock = clock
        self._rand = rand
        self._options = options
        self._made: dict[GroupResource, _Shared] = {}

    def make(self, installed: Installed, version: str, subresource: Subresource | None) -> Verbs:
        shared = self._shared(installed)
        scope = Scope(
            installed.resource,
            version,
            installed.store,
            self._clock,
            self._rand,
            subresource=subresource,
            rest=shared.rest(subresource),
            admission=self.admission,
            field_manager=shared.field_manager,
            schemas=shared.schema,
            authorizer=self.dependencies.authorizer,
            options=self._options,
        )
        return {verb: partial(handler, scope) for verb, handler in handlers.of(scope).items()}

    def _shared(self, installed: Installed) -> _Shared:
        key = installed.resource.group_resource
        found = self._made.get(key)
        if found is None or found.installed is not installed:
            found = self._made[key] = _Shared(installed, self.dependencies)
        return found


class _Shared:
    """What all versions of one installed Resource share: hooks, its own logic, ownership of fields."""

    def __init__(self, installed: Installed, dependencies: Dependencies) -> None:
        resource, store = installed.resource, installed.store
        self.installed = installed
        self.schema = schema_source(resource)
        self.field_manager = field_manager(resource, self.schema)
        self._dependencies = dependencies
        self._rests: dict[str, Any] = {}
        if resource.rest is not None:
            self._rests[""] = resource.rest(dependencies, store)
        if resource.hooks is not None and store is not None:
            store.set_hooks(resource.hooks(dependencies, store))
        if resource.checks is not None and store is not None:
            store.set_checks(resource.checks(dependencies, store))

    def rest(self, subresource: Subresource | None) -> Any:
        if subresource is None:
            return self._rests.get("")
        if subresource.rest is None:
            return None
        if subresource.name not in self._rests:
            self._rests[subresource.name] = subresource.rest(self._dependencies, self.installed.store)
        return self._rests[subresource.name]


def schema_source(resource: Resource) -> Callable[[GroupVersionKind], Schema]:
    """Schemas of what the resource's bodies can be: its own kind, or built-in ones (Scale, Eviction, …)."""
    own = resource.schemas
    if own is None:
        return builtin().schema
    of_versions = own

    def find(gvk: GroupVersionKind) -> Schema:
        if gvk.group_kind == resource.group_kind:
            return of_versions[gvk.version]
        return builtin().schema(gvk)

    return find


def field_manager(resource: Resource, schema: Callable[[GroupVersionKind], Schema]) -> FieldManager:
    """Ownership of fields, in every version of the resource."""

    def schema_of(api_version: str) -> Schema:
        return schema(GroupVersion.parse(api_version).with_kind(resource.kind))

    if resource.convert is None:
        return FieldManager(resource.kind, resource.stored_api_version, schema_of)
    return FieldManager(resource.kind, resource.stored_api_version, schema_of, resource.convert)
