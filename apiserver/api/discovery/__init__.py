"""The group discovery.k8s.io."""

from __future__ import annotations

from apiserver.api.discovery import endpointslice
from apiserver.registry.resource import Resource

RESOURCES: tuple[Resource, ...] = (endpointslice.RESOURCE,)
