"""coordination.k8s.io: who leads, who is alive."""

from apiserver.api.coordination import lease

RESOURCES = (lease.RESOURCE,)
