"""NamespaceLifecycle: nothing is created in a namespace that is not there or is going; three namespaces never go.

Mirrors upstream apiserver/pkg/admission/plugin/namespace/lifecycle.
"""

from __future__ import annotations

import asyncio

from apiserver.admission import lookups
from apiserver.admission.interface import CREATE, DELETE, UPDATE, AdmissionDependencies, AdmissionPlugin, Attributes
from apiserver.admission.lookups import NAMESPACES
from apiserver.admission.refusals import forbidden
from apiserver.apimachinery import errors
from apiserver.apimachinery.gvk import GroupKind, GroupResource
from apiserver.apimachinery.objects import Object

NAMESPACE = GroupKind("", "Namespace")
IMMORTAL = frozenset({"default", "kube-system", "kube-public"})
ACCESS_REVIEWS = frozenset({GroupResource("authorization.k8s.io", "localsubjectaccessreviews")})

LIVE_LOOKUP_TTL = 30.0  # seconds in which memory is not trusted about a namespace whose deletion was asked for
LIVE_LOOKUPS = 100
MISSING_WAIT = 0.05  # seconds for memory to see a namespace that was just made


class NamespaceLifecycle(AdmissionPlugin):
    name = "NamespaceLifecycle"
    operations = frozenset({CREATE, UPDATE, DELETE})

    def __init__(self, dependencies: AdmissionDependencies) -> None:
        super().__init__(dependencies)
        self._deleting: dict[str, float] = {}  # namespace → until when to look into storage

    async def admit(self, attributes: Attributes) -> None:
        if attributes.kind.group_kind == NAMESPACE:
            self._admit_namespace(attributes)
        elif attributes.operation == CREATE and attributes.namespace and not _is_access_review(attributes):
            await self._admit_content(attributes)

    def _admit_namespace(self, attributes: Attributes) -> None:
        if attributes.operation != DELETE:
            return
        name = attributes.name
        if name in IMMORTAL:
            raise errors.forbidden(attributes.group_resource, name, "this namespace may not be deleted")
        self._deleting.pop(name, None)
        while len(self._deleting) >= LIVE_LOOKUPS:
            del self._deleting[next(iter(self._deleting))]
        self._deleting[name] = self.dependencies.clock.now() + LIVE_LOOKUP_TTL

    async def _admit_content(self, attributes: Attributes) -> None:
        namespace = await self._namespace(attributes.namespace)
        if (namespace.get("status") or {}).get("phase") == "Terminating":
            raise _terminating(attributes)

    async def _namespace(self, name: str) -> Object:
        found = lookups.cached(self.dependencies, NAMESPACES, "", name)
        if found is None:
            await asyncio.sleep(MISSING_WAIT)
            found = lookups.cached(self.dependencies, NAMESPACES, "", name)
        if found is None or self._may_be_stale(name, found):
            found = await self.dependencies.read(NAMESPACES, "", name)
        if found is None:
            raise errors.not_found(NAMESPACES, name)
        return found

    def _may_be_stale(self, name: str, namespace: Object) -> bool:
        until = self._deleting.get(name)
        if until is None or (namespace.get("status") or {}).get("phase") != "Active":
            return False
        if until < self.dependencies.clock.now():
            del self._deleting[name]
            return False
        return True


def _is_access_review(attributes: Attributes) -> bool:
    """What is asked about a namespace must not tell whether it exists."""
    return attributes.group_resource in ACCESS_REVIEWS


def _terminating(attributes: Attributes) -> errors.StatusError:
    namespace = attributes.namespace
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    error = forbidden(attributes, why)
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    error.details = {**(error.details or {}), "causes": [cause]}
    return error
