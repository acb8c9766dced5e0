"""node.k8s.io: how nodes run containers."""

from apiserver.api.node import runtimeclass

RESOURCES = (runtimeclass.RESOURCE,)
