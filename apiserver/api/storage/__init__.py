"""storage.k8s.io: classes of storage, and what drivers say of themselves, of nodes and of attached volumes."""

from __future__ import annotations

from apiserver.api.storage import (
    csidriver,
    csinode,
    csistoragecapacity,
    storageclass,
    volumeattachment,
    volumeattributesclass,
)
from apiserver.registry.resource import Resource

RESOURCES: tuple[Resource, ...] = (
    csidriver.RESOURCE,
    csinode.RESOURCE,
    csistoragecapacity.RESOURCE,
    storageclass.RESOURCE,
    volumeattachment.RESOURCE,
    volumeattributesclass.RESOURCE,
)
