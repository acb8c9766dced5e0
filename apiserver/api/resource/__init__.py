"""resource.k8s.io: devices that pods ask for, drivers offer, and the scheduler gives out."""

from __future__ import annotations

from apiserver.api.resource import (
    deviceclass,
    devicetaintrule,
    resourceclaim,
    resourceclaimtemplate,
    resourceslice,
)
from apiserver.registry.resource import Resource

RESOURCES: tuple[Resource, ...] = (
    deviceclass.RESOURCE,
    devicetaintrule.RESOURCE,
    resourceclaim.RESOURCE,
    resourceclaimtemplate.RESOURCE,
    resourceslice.RESOURCE,
)
