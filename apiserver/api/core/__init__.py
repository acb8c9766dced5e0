"""The core group, `api/v1`."""

from __future__ import annotations

from apiserver.api.core import configmap, endpoints, event, limitrange, namespace, node, secret, serviceaccount
from apiserver.registry.resource import Resource

RESOURCES: tuple[Resource, ...] = (
    configmap.RESOURCE,
    endpoints.RESOURCE,
    event.RESOURCE,
    limitrange.RESOURCE,
    namespace.RESOURCE,
    node.RESOURCE,
    secret.RESOURCE,
    serviceaccount.RESOURCE,
)
