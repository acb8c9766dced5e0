"""The group events.k8s.io: the newer face of the Events of the core group."""

from __future__ import annotations

from apiserver.api.events import event
from apiserver.registry.resource import Resource

RESOURCES: tuple[Resource, ...] = (event.RESOURCE,)
