"""authentication.k8s.io: who am I, who is this token."""

from apiserver.registry.resource import Resource

RESOURCES: tuple[Resource, ...] = ()
