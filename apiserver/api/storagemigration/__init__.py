"""storagemigration.k8s.io: orders to write what is stored once more, in the version stored today."""

from __future__ import annotations

from apiserver.api.storagemigration import storageversionmigration
from apiserver.registry.resource import Resource

RESOURCES: tuple[Resource, ...] = (storageversionmigration.RESOURCE,)
