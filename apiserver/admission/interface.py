"""Admission: plugins that may change (admit) or refuse (validate) a write. Mirrors upstream apiserver/pkg/admission."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.gvk import GroupResource, GroupVersionKind, GroupVersionResource
from apiserver.apimachinery.http import UserInfo
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.registry.listers import Listers

CREATE, UPDATE, DELETE, CONNECT = "CREATE", "UPDATE", "DELETE", "CONNECT"


@dataclass(slots=True)
class Attributes:
    """One operation as admission sees it. `obj` and `old` are in the storage version; a mutating plugin changes `obj` in place."""

    operation: str
    resource: GroupVersionResource
    kind: GroupVersionKind
    subresource: str
    namespace: str
    name: str
    obj: Object | None
    old: Object | None
    user: UserInfo
    dry_run: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)  # audit annotations

    @property
    def group_resource(self) -> GroupResource:
        return self.resource.group_resource


@dataclass
class AdmissionDependencies:
    """What plugins are built from."""

    listers: Listers
    clock: Clock
    rand: Random
    read: Callable[[GroupResource, str, str], Any]  # async (resource, namespace, name) → Object | None, from storage
    create: Callable[[GroupResource, str, Object], Any]  # async (resource, namespace, object) → Object, as the server
    # async (resource, namespace, name, change(copy) → Object | None) → Object: compare-and-swap of a status, as the server
    update_status: Callable[[GroupResource, str, str, Callable[[Object], Object | None]], Any]
    authorizer: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)  # the server's, by name (server/options.py)


class AdmissionPlugin:
    """A plugin handles some operations. `admit` may change `attributes.obj`; `validate` may only raise a StatusError.

    It is asked for the steps that it has: one without an `admit` of its own does not mutate.
    """

    name = ""
    operations: frozenset[str] = frozenset({CREATE, UPDATE, DELETE, CONNECT})
    resources: frozenset[GroupResource] | None = None  # what it looks at; None: everything

    def __init__(self, dependencies: AdmissionDependencies) -> None:
        self.dependencies = dependencies

    async def admit(self, attributes: Attributes) -> None:
        return None

    async def validate(self, attributes: Attributes) -> None:
        return None
