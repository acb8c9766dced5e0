"""The group apps."""

from __future__ import annotations

from apiserver.api.apps import controllerrevision, daemonset, deployment, replicaset, statefulset
from apiserver.registry.resource import Resource

RESOURCES: tuple[Resource, ...] = (
    controllerrevision.RESOURCE,
    daemonset.RESOURCE,
    deployment.RESOURCE,
    replicaset.RESOURCE,
    statefulset.RESOURCE,
)
