"""The group autoscaling."""

from __future__ import annotations

from apiserver.api.autoscaling import horizontalpodautoscaler
from apiserver.registry.resource import Resource

RESOURCES: tuple[Resource, ...] = (horizontalpodautoscaler.RESOURCE,)
