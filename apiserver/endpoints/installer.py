"""The live table of what is served: Resources come, change and go at run time, and every view of them follows.

A route is a dict look-up on (group, version, resource, subresource); discovery, OpenAPI and listers follow the
`generation` counter. A Resource that goes or changes ends its watches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from apiserver.apimachinery.gvk import GroupResource, GroupVersion
from apiserver.apimachinery.http import Handler
from apiserver.registry.resource import Resource, ServedVersion, Subresource

ITEM_VERBS = ("get", "update", "patch", "delete")
COLLECTION_VERBS = ("list", "create", "deletecollection")

Verbs = Mapping[str, Handler]  # by Kubernetes verb: get list watch create update patch delete deletecollection connect


class Route(NamedTuple):
    """What one (group, version, resource, subresource) answers."""

    resource: Resource
    version: str
    subresource: Subresource | None
    verbs: Verbs
    has_items: bool = True  # whether any verb is for single objects, reached by their name
    has_collection: bool = True
    deprecation: str = ""  # the text of a Warning on every answer


class Installed(NamedTuple):
    """One Resource in service, with the parts made for it."""

    resource: Resource
    store: Any  # apiserver.registry.store.Store, or None for a virtual resource


# What the composition root gives: the store of a resource, and its handlers under one version.
MakeStore = Callable[[Resource], Any]
MakeVerbs = Callable[[Installed, str, Subresource | None], Verbs]
EndStore = Callable[[Any], None]  # ends a store's watches; it will not be asked again

RouteKey = tuple[str, str, str, str]


class Installer:
    """Holds every Resource in service. All methods act at once; none waits."""

    def __init__(self, make_store: MakeStore, make_verbs: MakeVerbs, end_store: EndStore) -> None:
        self._make_store = make_store
        self._make_verbs = make_verbs
        self._end_store = end_store
        self._installed: dict[GroupResource, Installed] = {}
        self._groups: dict[str, dict[str, int]] = {}  # group → version → number of resources
        self._listeners: list[Callable[[], None]] = []
        self.routes: dict[RouteKey, Route] = {}
        self.generation = 0

    def install(self, resource: Resource) -> Installed:
        """Serve `resource` from now on; raises ValueError when its name is taken."""
        if resource.group_resource in self._installed:
            raise ValueError(f"{resource.group_resource} is installed already")
        installed = self._add(resource)
        self._changed()
        return installed

    def remove(self, group_resource: GroupResource) -> None:
        """Stop serving it: its routes answer 404, its watches end. Raises KeyError for what is not installed."""
        self._drop(group_resource)
        self._changed()

    def replace(self, resource: Resource) -> Installed:
        """Serve the changed `resource` (a new generation) in place of the one of its name; the old watches end."""
        self._drop(resource.group_resource)
        installed = self._add(resource)
        self._changed()
        return installed

    def get(self, group_resource: GroupResource) -> Installed | None:
        return self._installed.get(group_resource)

    def store(self, group_resource: GroupResource) -> Any:
        """The Store of an installed resource; raises KeyError."""
        return self._installed[group_resource].store

    def __iter__(self) -> Iterator[Installed]:
        """Everything in service, in the order of installation."""
        return iter(list(self._installed.values()))

    def serves_group(self, group: str) -> bool:
        return group in self._groups

    def group_versions(self) -> list[GroupVersion]:
        return [GroupVersion(group, version) for group, versions in self._groups.items() for version in versions]

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback()` after each change; it must not block."""
        self._listeners.append(callback)

    def _add(self, resource: Resource) -> Installed:
        installed = Installed(resource, self._make_store(resource))
        for version in resource.versions:
            if not version.served:
                continue
            for subresource in (None, *resource.subresources):
                self._route(installed, version, subresource)
            versions = self._groups.setdefault(resource.group, {})
            versions[version.name] = versions.get(version.name, 0) + 1
        self._installed[resource.group_resource] = installed
        return installed

    def _route(self, installed: Installed, version: ServedVersion, subresource: Subresource | None) -> None:
        resource = installed.resource
        key = (resource.group, version.name, resource.plural, subresource.name if subresource else "")
        verbs = self._make_verbs(installed, version.name, subresource)
        items, collection = any(v in verbs for v in ITEM_VERBS), any(v in verbs for v in COLLECTION_VERBS)
        self.routes[key] = Route(resource, version.name, subresource, verbs, items, collection, version.deprecation)

    def _drop(self, group_resource: GroupResource) -> None:
        installed = self._installed.pop(group_resource)
        resource = installed.resource
        for version in resource.versions:
            if not version.served:
                continue
            for name in ("", *(s.name for s in resource.subresources)):
                del self.routes[(resource.group, version.name, resource.plural, name)]
            versions = self._groups[resource.group]
            versions[version.name] -= 1
            if not versions[version.name]:
                del versions[version.name]
            if not versions:
                del self._groups[resource.group]
        self._end_store(installed.store)

    def _changed(self) -> None:
        self.generation += 1
        for listener in self._listeners:
            listener()
