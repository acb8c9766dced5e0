"""A cluster as admission plugins see it: objects in dicts, a clock, writes that are remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apiserver.admission.interface import CREATE, AdmissionDependencies, AdmissionPlugin, Attributes
from apiserver.apimachinery import objects
from apiserver.apimachinery.gvk import GroupResource, GroupVersionKind, GroupVersionResource
from apiserver.apimachinery.http import UserInfo
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.auth.interface import AuthorizerAttributes, Decision

SOMEBODY = UserInfo("somebody", ("system:authenticated",))

KINDS = {
    "pods": GroupVersionKind("", "v1", "Pod"),
    "nodes": GroupVersionKind("", "v1", "Node"),
    "services": GroupVersionKind("", "v1", "Service"),
    "configmaps": GroupVersionKind("", "v1", "ConfigMap"),
    "namespaces": GroupVersionKind("", "v1", "Namespace"),
    "serviceaccounts": GroupVersionKind("", "v1", "ServiceAccount"),
    "persistentvolumeclaims": GroupVersionKind("", "v1", "PersistentVolumeClaim"),
    "resourcequotas": GroupVersionKind("", "v1", "ResourceQuota"),
    "persistentvolumes": GroupVersionKind("", "v1", "PersistentVolume"),
    "storageclasses": GroupVersionKind("storage.k8s.io", "v1", "StorageClass"),
    "volumeattributesclasses": GroupVersionKind("storage.k8s.io", "v1", "VolumeAttributesClass"),
    "runtimeclasses": GroupVersionKind("node.k8s.io", "v1", "RuntimeClass"),
    "ingresses": GroupVersionKind("networking.k8s.io", "v1", "Ingress"),
    "ingressclasses": GroupVersionKind("networking.k8s.io", "v1", "IngressClass"),
    "priorityclasses": GroupVersionKind("scheduling.k8s.io", "v1", "PriorityClass"),
    "leases": GroupVersionKind("coordination.k8s.io", "v1", "Lease"),
    "csinodes": GroupVersionKind("storage.k8s.io", "v1", "CSINode"),
    "resourceslices": GroupVersionKind("resource.k8s.io", "v1", "ResourceSlice"),
    "certificatesigningrequests": GroupVersionKind("certificates.k8s.io", "v1", "CertificateSigningRequest"),
    "podcertificaterequests": GroupVersionKind("certificates.k8s.io", "v1", "PodCertificateRequest"),
    "localsubjectaccessreviews": GroupVersionKind("authorization.k8s.io", "v1", "LocalSubjectAccessReview"),
}


class DictLister:
    """What memory knows of one resource."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], Object] = {}

    def get(self, namespace: str, name: str) -> Object | None:
        return self.found.get((namespace, name))

    def list(self, namespace: str = "") -> Sequence[Object]:
        return [obj for (ns, _), obj in sorted(self.found.items()) if not namespace or ns == namespace]

    def on_change(self, callback: Callable[[Object | None, Object | None], None]) -> None:
        raise NotImplementedError


class Allowing:
    """An authorizer that says yes to what is listed: (verb, resource, name)."""

    def __init__(self, *allowed: tuple[str, str, str]) -> None:
        self.allowed = allowed

    async def authorize(self, attributes: AuthorizerAttributes) -> Decision:
        asked = (attributes.verb, attributes.resource, attributes.name)
        return Decision("allow" if asked in self.allowed else "no opinion")


class World:
    """Memory, storage (what memory does not know yet) and time."""

    def __init__(self) -> None:
        self.listers: dict[GroupResource, DictLister] = {}
        self.stored: dict[tuple[GroupResource, str, str], Object] = {}
        self.created: list[tuple[GroupResource, str, Object]] = []
        self.time = 1000.0
        self.authorizer: Any = None
        self.options: dict[str, Any] = {}

    def now(self) -> float:
        return self.time

    def add(self, resource: str, name: str, namespace: str = "", **more: Any) -> Object:
        """An object that memory and storage know."""
        meta = {"name": name, **({"namespace": namespace} if namespace else {}), **more.pop("metadata", {})}
        group = KINDS[resource].group if resource in KINDS else more.pop("group", "")
        obj: Object = {"metadata": meta, **more}
        lister = self.listers.setdefault(GroupResource(group, resource), DictLister())
        lister.found[namespace, name] = obj
        self.stored[GroupResource(group, resource), namespace, name] = obj
        return obj

    def lister(self, group_resource: GroupResource) -> DictLister:
        return self.listers[group_resource]

    async def read(self, resource: GroupResource, namespace: str, name: str) -> Object | None:
        found = self.stored.get((resource, namespace, name))
        return objects.copy(found) if found is not None else None

    async def create(self, resource: GroupResource, namespace: str, obj: Object) -> Object:
        self.created.append((resource, namespace, obj))
        return obj

    async def update_status(
        self, resource: GroupResource, namespace: str, name: str, change: Callable[[Object], Object | None]
    ) -> Object:
        found = self.stored[resource, namespace, name]
        made = change(objects.copy(found)) or found
        self.stored[resource, namespace, name] = self.listers[resource].found[namespace, name] = made
        return made

    def plugin(self, kind: type[AdmissionPlugin]) -> AdmissionPlugin:
        return kind(
            AdmissionDependencies(
                self.lister,
                self,
                Random(1),
                self.read,
                self.create,
                self.update_status,
                self.authorizer,
                self.options,
            )
        )


def attributes(
    resource: str,
    obj: Object | None = None,
    *,
    operation: str = CREATE,
    old: Object | None = None,
    subresource: str = "",
    namespace: str = "default",
    name: str | None = None,
    user: UserInfo = SOMEBODY,
    options: Mapping[str, Any] | None = None,
    dry_run: bool = False,
) -> Attributes:
    gvk = KINDS[resource]
    if name is None:
        name = objects.name_of(obj or old or {})
    return Attributes(
        operation,
        GroupVersionResource(gvk.group, gvk.version, resource),
        gvk,
        subresource,
        namespace,
        name,
        obj,
        old,
        user,
        dry_run,
        options or {},
    )


def pod(spec: dict[str, Any] | None = None, container: dict[str, Any] | None = None, **meta: Any) -> Object:
    return {
        "metadata": {"name": "x", **meta},
        "spec": {"containers": [{"name": "c", "image": "i", "resources": {}, **(container or {})}], **(spec or {})},
    }
