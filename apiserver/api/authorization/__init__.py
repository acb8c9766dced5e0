"""authorization.k8s.io: may I, may they."""

from apiserver.registry.resource import Resource

RESOURCES: tuple[Resource, ...] = ()
