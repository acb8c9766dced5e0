"""One write on its way: its context, its options, its writer's name, and admission around it.

Mirrors what upstream's handlers pass along (endpoints/handlers/{create,update,patch,delete}.go): mutating admission before
the Store, validating admission as callbacks from within it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.admission.interface import CREATE, DELETE, UPDATE, Attributes
from apiserver.apimachinery.errors import bad_request, internal_error
from apiserver.apimachinery.http import Request
from apiserver.apimachinery.object_meta import managed_fields_errors
from apiserver.apimachinery.objects import Object
from apiserver.auth.forbidden import forbidden_error
from apiserver.auth.interface import ALLOW, AuthorizerAttributes
from apiserver.endpoints.options import WriteOptions, default_manager
from apiserver.endpoints.scope import Scope
from apiserver.registry.metadata import dedup_owners
from apiserver.registry.strategy import Strategy

_BAD_MANAGED_FIELDS = (
    ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission "
    "controller; please fix your requests: "
)


class Write:
    """A write request between its body and the Store."""

    def __init__(self, scope: Scope, request: Request, options: WriteOptions) -> None:
        info = request.info
        assert info is not None
        self.scope = scope
        self.request = request
        self.options = options
        self.ctx = scope.context(request)
        self.ctx.dry_run = options.dry_run
        self.manager = options.field_manager or default_manager(request.headers.get("user-agent", ""))
        self.ctx.field_manager = self.manager
        self.name = info.name
        self.namespace = info.namespace
        self.warnings = request.warnings

    @property
    def object_namespace(self) -> str:
        """The namespace that objects of this request are in; that of namespaces is none."""
        return self.namespace if self.scope.resource.namespaced else ""

    @property
    def strategy(self) -> Strategy:
        subresource = self.scope.subresource
        if subresource is not None and subresource.strategy is not None:
            return subresource.strategy
        return self.scope.resource.strategy

    @property
    def api_version(self) -> str:
        """The version in which this client writes; that of the body where a subresource has a kind of its own."""
        return self.scope.gvk.api_version

    def own(self, old: Object | None, obj: Object) -> None:
        """Note in managedFields what this writer set."""
        if self.scope.field_manager is not None:
            self.scope.field_manager.on_update(
                old,
                obj,
                api_version=self.api_version,
                manager=self.manager,
                subresource=self.ctx.subresource,
                now=self.ctx.timestamp(),
                reset_fields=self.strategy.reset_fields(self.scope.version),
            )

    # Admission

    def attributes(
        self, operation: str, obj: Object | None, old: Object | None, options: Mapping[str, Any] | None = None
    ) -> Attributes:
        scope = self.scope
        if options is None:
            options = self.options.as_object("CreateOptions" if operation == CREATE else "UpdateOptions")
        name = self.name
        if not name and obj is not None:
            name = (obj.get("metadata") or {}).get("name") or ""
        return Attributes(
            operation,
            scope.gvr,
            scope.gvk,
            self.ctx.subresource,
            self.namespace,
            name,
            obj,
            old,
            self.ctx.user,
            self.ctx.dry_run,
            options,
            self.warnings,
        )

    async def admit(self, obj: Object, old: Object | None) -> None:
        """Mutating admission; owner references said twice are made one afterwards."""
        if self.scope.admission is not None:
            managed = (obj.get("metadata") or {}).get("managedFields")
            await self.scope.admission.admit(self.attributes(CREATE if old is None else UPDATE, obj, old))
            meta = obj.get("metadata") or {}
            if meta.get("managedFields") is not managed:
                self._check_managed(meta, managed)
        dedup_owners(obj, self.warnings, True)

    def _check_managed(self, meta: Object, before: Any) -> None:
        """managedFields that a webhook broke go back to what they were."""
        found = list(managed_fields_errors(meta.get("managedFields") or (), "metadata.managedFields"))
        if not found:
            return
        meta["managedFields"] = before
        self.warnings.append(_BAD_MANAGED_FIELDS + "; ".join(str(error) for error in found))

    async def validate_create(self, obj: Object) -> None:
        if self.scope.admission is not None:
            await self.scope.admission.validate(self.attributes(CREATE, obj, None))

    async def validate_update(self, obj: Object, old: Object) -> None:
        if self.scope.admission is not None:
            await self.scope.admission.validate(self.attributes(UPDATE, obj, old))

    async def authorized_create(self, obj: Object) -> None:
        """A PUT or apply that turns out to create needs the right to create (upstream withAuthorization)."""
        await self._authorize_create()
        await self.validate_create(obj)

    async def _authorize_create(self) -> None:
        scope = self.scope
        if scope.authorizer is None:
            raise internal_error("no authorizer provided, unable to authorize a create on update")
        attributes = AuthorizerAttributes(
            user=self.ctx.user,
            verb="create",
            is_resource=True,
            path=self.request.path,
            group=scope.resource.group,
            version=scope.version,
            resource=scope.resource.plural,
            subresource=self.ctx.subresource,
            namespace=self.namespace,
            name=self.name,
        )
        decision = await scope.authorizer.authorize(attributes)
        if decision.verdict != ALLOW:
            raise forbidden_error(attributes, decision.reason)


class Delete(Write):
    """A delete: admission sees the old object only."""

    def __init__(self, scope: Scope, request: Request, delete_options: Object) -> None:
        super().__init__(scope, request, WriteOptions(dry_run=bool(delete_options.get("dryRun"))))
        self.delete_options = {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1", **delete_options}

    async def validate_delete(self, old: Object) -> None:
        """All of admission, since there is nothing that could be changed."""
        admission = self.scope.admission
        if admission is None:
            return
        attributes = self.attributes(DELETE, None, old, self.delete_options)
        await admission.admit(attributes)
        await admission.validate(attributes)


def check_name(obj: Object, name: str, namespace: str) -> None:
    """Name and namespace of a body have to be the URL's (upstream checkName)."""
    meta = obj.get("metadata") or {}
    found = meta.get("name") or ""
    if not found:
        raise bad_request(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")
    if found != name:
        raise bad_request(f"the name of the object ({found}) does not match the name on the URL ({name})")
    there = meta.get("namespace") or ""
    if namespace and there and there != namespace:
        raise bad_request(
            f"the namespace of the object ({there}) does not match the namespace on the request ({namespace})"
        )
