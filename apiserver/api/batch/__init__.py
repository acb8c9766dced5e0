"""The group batch."""

from __future__ import annotations

from apiserver.api.batch import cronjob, job
from apiserver.registry.resource import Resource

RESOURCES: tuple[Resource, ...] = (cronjob.RESOURCE, job.RESOURCE)
