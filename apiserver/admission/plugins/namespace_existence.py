"""NamespaceExists and NamespaceAutoProvision: a namespace that is not there is refused, or made on the way."""

from __future__ import annotations

from apiserver.admission import lookups
from apiserver.admission.interface import CREATE, DELETE, UPDATE, AdmissionPlugin, Attributes
from apiserver.admission.lookups import NAMESPACES
from apiserver.admission.refusals import forbidden
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupKind

NAMESPACE = GroupKind("", "Namespace")


class NamespaceExists(AdmissionPlugin):
    name = "NamespaceExists"
    operations = frozenset({CREATE, UPDATE, DELETE})

    async def validate(self, attributes: Attributes) -> None:
        if attributes.namespace and attributes.kind.group_kind != NAMESPACE:
            await lookups.namespace_of(self.dependencies, attributes.namespace)


class NamespaceAutoProvision(AdmissionPlugin):
    name = "NamespaceAutoProvision"
    operations = frozenset({CREATE})

    async def admit(self, attributes: Attributes) -> None:
        if attributes.dry_run or not attributes.namespace or attributes.kind.group_kind == NAMESPACE:
            return
        if lookups.cached(self.dependencies, NAMESPACES, "", attributes.namespace) is None:
            await self._provide(attributes)

    async def _provide(self, attributes: Attributes) -> None:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": attributes.namespace}}
        try:
            await self.dependencies.create(NAMESPACES, "", namespace)
        except StatusError as e:
            if e.reason != "AlreadyExists":
                raise forbidden(attributes, e.message) from e
