"""The core group, `api/v1`."""

from __future__ import annotations

from apiserver.api.core import (
    configmap,
    endpoints,
    event,
    limitrange,
    namespace,
    node,
    persistentvolume,
    persistentvolumeclaim,
    pod,
    pod_subresources,
    podtemplate,
    replicationcontroller,
    resourcequota,
    secret,
    service,
    serviceaccount,
)
from apiserver.registry.resource import Resource

RESOURCES: tuple[Resource, ...] = (
    pod_subresources.BINDINGS,
    configmap.RESOURCE,
    endpoints.RESOURCE,
    event.RESOURCE,
    limitrange.RESOURCE,
    namespace.RESOURCE,
    node.RESOURCE,
    persistentvolume.RESOURCE,
    persistentvolumeclaim.RESOURCE,
    pod.RESOURCE,
    podtemplate.RESOURCE,
    replicationcontroller.RESOURCE,
    resourcequota.RESOURCE,
    secret.RESOURCE,
    service.RESOURCE,
    serviceaccount.RESOURCE,
)
