"""A Resource declares a kind to the server: names, versions, strategy, subresources, columns. One file per kind has one.

Built-in kinds are written down in `apiserver/api/<group>/<kind>.py`; custom resources are made at run time: both are this.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from apiserver.apimachinery.errors import FieldError
from apiserver.apimachinery.gvk import GroupKind, GroupResource, GroupVersion, GroupVersionKind
from apiserver.apimachinery.http import AnyResponse, Request
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.schema import Schema
from apiserver.registry.context import Context
from apiserver.registry.strategy import Strategy

if TYPE_CHECKING:
    from apiserver.registry.dependencies import Dependencies
    from apiserver.registry.store import Store

STORAGE_ROOT = "/registry"
ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


class Since(NamedTuple):
    """A cell that tells how long ago something was ("5d"): formatted at each request, so that the row can be kept.

    `time` is an RFC 3339 timestamp; None or "" show as <unknown>, which is upstream's translateTimestampSince.
    """

    time: str | None
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Column:
    """One column of the server-side table. `cell` takes the object in the storage version and the time now.

    It returns a string, integer or Since. Ages should be Since: a cell that looks at the time is computed anew,
    with its object decoded, for every request. A column without a name has cells and no definition (upstream's
    IPAddress has one by mistake).
    """

    name: str
    cell: Callable[[Object, float], Any]
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


class Hooks(Protocol):
    """I/O around a write of one resource (Service allocation, …). `finish(success)` is always called once.

    `begin_*` run after defaulting and before validation, may change `obj`, and are told through ctx.dry_run.
    """

    async def begin_create(self, ctx: Context, obj: Object) -> Callable[[bool], Awaitable[None]]: ...

    async def begin_update(self, ctx: Context, obj: Object, old: Object) -> Callable[[bool], Awaitable[None]]: ...

    async def after_delete(self, ctx: Context, obj: Object) -> None: ...


class Checks(Protocol):
    """The part of validation that asks others: permissions, namespaces. Of a resource and its subresources alike.

    Each is given what the strategy found and returns all that is wrong, in upstream's order; `ctx.subresource` tells
    through which door the change comes.
    """

    async def of_new(self, ctx: Context, obj: Object, found: list[FieldError]) -> list[FieldError]: ...

    async def of_change(self, ctx: Context, obj: Object, old: Object, found: list[FieldError]) -> list[FieldError]: ...


class SubresourceRest(Protocol):
    """A subresource with a logic of its own: `pods/binding`, `serviceaccounts/token`, `pods/log`.

    Implementations have those of these methods that the Subresource's verbs name; bodies and results are in the
    subresource's kind. `connect` takes the raw request (log, exec, proxy).
    """

    async def get(self, ctx: Context, name: str, *, resource_version: str = "") -> Object: ...

    async def create(
        self,
        ctx: Context,
        name: str,
        obj: Object,
        options: Mapping[str, Any],
        admit: Callable[[Object], Awaitable[None]],
    ) -> Object:
        """`admit` runs validating admission over the given object; call it right before acting."""
        ...

    async def update(
        self,
        ctx: Context,
        name: str,
        updater: Callable[[Object], Awaitable[Object]],
        options: Mapping[str, Any],
        admit: Callable[[Object, Object], Awaitable[None]],
    ) -> Object: ...

    async def connect(self, ctx: Context, name: str, request: Request) -> AnyResponse: ...


@dataclass(frozen=True, kw_only=True)
class Subresource:
    """`/status`, `/scale`, `/binding`, … Either `strategy` (the same object, written through another strategy)
    or `rest` (a logic of its own, built with the server's dependencies)."""

    name: str
    verbs: tuple[str, ...] = ("get", "patch", "update")
    strategy: Strategy | None = None
    kind: GroupVersionKind | None = None  # the body's kind where it is not the parent's
    accepts: tuple[GroupVersion, ...] = ()  # other versions of the body's kind that are taken, of the same form
    columns: tuple[Column, ...] = ()  # of a body with a kind of its own
    tabled: bool = True  # False: a status without tables, upstream's storage has none for it
    rest: Callable[[Dependencies, Store], Any] | None = None


@dataclass(frozen=True)
class ServedVersion:
    """One version under which the resource is served."""

    name: str
    served: bool = True
    deprecation: str = ""  # the Warning text for every request, "" when not deprecated
    columns: tuple[Column, ...] | None = None  # where they differ from the resource's


Convert = Callable[[Object, str], Object]  # (object, to apiVersion) → a new or the same object; apiVersion set


@dataclass(frozen=True, kw_only=True)
class Resource:
    """Everything the server knows of a resource. Immutable: a change at run time is a new Resource, a new generation."""

    group: str
    plural: str
    kind: str
    versions: tuple[ServedVersion, ...]  # preferred first
    storage_version: str
    strategy: Strategy
    namespaced: bool = True
    singular: str = ""  # default: the lower-case kind
    list_kind: str = ""  # default: kind + "List"
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    storage_prefix: str = (
        ""  # default: /registry/<plural>; with `schemas`, as custom resources: /registry/<group>/<plural>
    )
    storage_group_version: str = ""  # apiVersion of the stored form, default group/storage_version (events: "v1")
    columns: tuple[Column, ...] = ()
    row_conditions: Callable[[Object], list[Any]] | None = None  # a table row's conditions (pods that are done)
    # Which of a list's objects has its name marked "(default)" in the list's table; its place, or None (storage classes).
    default_of_list: Callable[[Sequence[Object]], int | None] | None = None
    # What an object of the kind shows beside metadata when it is empty, as bookmarks do: {"spec": {}, "status": {}}.
    empty: Mapping[str, Any] = field(default_factory=dict)
    # Annotations that stand for fields of upstream's internal type: metadata alone goes out without them, an empty object
    # with these values (daemon sets).
    field_annotations: Mapping[str, str] = field(default_factory=dict)
    # Field selectors beyond metadata.name / metadata.namespace, in order: path → value of an object.
    selectable: Mapping[str, Callable[[Object], str]] = field(default_factory=dict)
    field_aliases: Mapping[str, str] = field(default_factory=dict)  # old names of selectable fields (pods: spec.host)
    selects_namespace: bool = True  # False: not even a namespaced kind takes metadata.namespace
    watch_index: str = ""  # a selectable field worth an index of watchers (pods: spec.nodeName)
    subresources: tuple[Subresource, ...] = ()
    convert: Convert | None = None  # where there is more than one version
    ttl: Callable[[Object], float | None] | None = None  # seconds to live (events)
    watch_cache: bool = True  # False: upstream reads it from etcd (events), which pages from revision 0, too
    hooks: Callable[[Dependencies, Store], Hooks] | None = None
    checks: Callable[[Dependencies, Store], Checks] | None = None
    # A virtual resource without storage (reviews): its create is `rest.create`; see SubresourceRest.
    rest: Callable[[Dependencies, Store | None], Any] | None = None
    schemas: Mapping[str, Schema] | None = None  # version → schema; None: the built-in facts by GVK
    decorate: Callable[[Object], None] | None = None  # on every read, after defaults (Service's defaulting on read)
    generation: int = 0  # grows with every change at run time

    @cached_property
    def group_resource(self) -> GroupResource:
        return GroupResource(self.group, self.plural)

    @cached_property
    def group_kind(self) -> GroupKind:
        return GroupKind(self.group, self.kind)

    def gvk(self, version: str) -> GroupVersionKind:
        return GroupVersionKind(self.group, version, self.kind)

    @property
    def singular_name(self) -> str:
        return self.singular or self.kind.lower()

    @property
    def list_kind_name(self) -> str:
        return self.list_kind or self.kind + "List"

    @cached_property
    def prefix(self) -> str:
        """Where its objects are stored; keys are `<prefix>/<namespace>/<name>` or `<prefix>/<name>`."""
        own = f"{self.group}/" if self.schemas is not None else ""
        return self.storage_prefix or f"{STORAGE_ROOT}/{own}{self.plural}"

    @cached_property
    def stored_api_version(self) -> str:
        return self.storage_group_version or str(GroupVersion(self.group, self.storage_version))

    def key(self, namespace: str, name: str) -> str:
        return f"{self.prefix}/{namespace}/{name}" if self.namespaced else f"{self.prefix}/{name}"

    def subresource(self, name: str) -> Subresource | None:
        return next((s for s in self.subresources if s.name == name), None)
