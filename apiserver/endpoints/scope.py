"""Scope: what every handler of one resource and version works with; made once by the installer, shared by requests."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.gvk import GroupVersionKind, GroupVersionResource
from apiserver.apimachinery.http import Request
from apiserver.apimachinery.rand import Random
from apiserver.registry.context import Context
from apiserver.registry.rendition import Renditions
from apiserver.registry.resource import Resource, Subresource
from apiserver.registry.table import Tables

if TYPE_CHECKING:
    from apiserver.registry.store import Store


TABLED = ("", "status", "scale")  # the resource itself and these subresources; upstream has no tables of others


@dataclass(slots=True)
class Scope:
    """One served (resource, version[, subresource])."""

    resource: Resource
    version: str
    store: Store
    clock: Clock
    rand: Random
    subresource: Subresource | None = None
    rest: Any = None  # what Subresource.rest or Resource.rest built: see SubresourceRest
    admission: Any = None  # apiserver.admission.chain.AdmissionChain
    field_manager: Any = None  # apiserver.apimachinery.apply.FieldManager for this version
    schemas: Any = None  # (GroupVersionKind) → Schema | None
    authorizer: Any = None  # apiserver.auth.interface.Authorizer, for handlers that ask a second question
    options: dict[str, Any] = field(default_factory=dict)  # min_request_timeout, limits, …
    gvk: GroupVersionKind = field(init=False)  # the kind of bodies: the subresource's where it has its own
    gvr: GroupVersionResource = field(init=False)
    has_tables: bool = field(init=False)  # upstream: whether the storage behind it is a TableConvertor

    def __post_init__(self) -> None:
        own = None if self.subresource is None else self.subresource.kind
        self.gvk = own if own is not None else self.resource.gvk(self.version)
        self.gvr = GroupVersionResource(self.resource.group, self.version, self.resource.plural)
        name = self.subresource.name if self.subresource is not None else ""
        tabled = self.subresource is None or self.subresource.tabled
        self.has_tables = self.store is not None and name in TABLED and tabled

    def context(self, request: Request) -> Context:
        """The request's facts as Store and strategies see them."""
        info = request.info
        assert info is not None
        return Context(
            clock=self.clock,
            rand=self.rand,
            version=self.version,
            namespace=info.namespace if self.resource.namespaced else "",
            user=request.user,
            verb=info.verb,
            subresource=info.subresource,
            warnings=request.warnings,
            audit_id=request.audit_id,
        )

    def renditions(self) -> Renditions:
        """What renders the resource's records; a resource that stores nothing has one of its own."""
        return self.store.renditions if self.store is not None else Renditions(self.resource)

    def tables(self) -> Tables:
        """What makes tables of the scope's bodies: with the resource's columns, or for a kind of its own with its own."""
        if self.store is not None and (self.subresource is None or self.subresource.kind is None):
            return self.store.tables
        columns = self.subresource.columns if self.subresource is not None else ()
        plain = replace(self.resource, columns=columns, row_conditions=None)
        return Tables(plain, Renditions(plain))
