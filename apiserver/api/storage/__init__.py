"""storage.k8s.io: classes of storage, and what drivers say of themselves, of nodes and of attached volumes."""

from __future__ import annotations

from apiserver.api.storage import csinode, storageclass
from apiserver.registry.resource import Resource

RESOURCES: tuple[Resource, ...] = (csinode.RESOURCE, storageclass.RESOURCE)
