"""The core group, `api/v1`."""

from __future__ import annotations

from apiserver.api.core import configmap, namespace, secret, serviceaccount
from apiserver.registry.resource import Resource

RESOURCES: tuple[Resource, ...] = (
    configmap.RESOURCE,
    namespace.RESOURCE,
    secret.RESOURCE,
    serviceaccount.RESOURCE,
)
