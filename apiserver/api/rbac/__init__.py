"""rbac.authorization.k8s.io: who may do what."""

from apiserver.api.rbac import clusterrole, clusterrolebinding, role, rolebinding

RESOURCES = (clusterrolebinding.RESOURCE, clusterrole.RESOURCE, rolebinding.RESOURCE, role.RESOURCE)
