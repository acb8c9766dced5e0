"""The group networking.k8s.io."""

from __future__ import annotations

from apiserver.api.networking import ipaddress, servicecidr
from apiserver.registry.resource import Resource

RESOURCES: tuple[Resource, ...] = (ipaddress.RESOURCE, servicecidr.RESOURCE)
