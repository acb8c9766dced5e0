"""scheduling.k8s.io: which pods matter more."""

from apiserver.api.scheduling import priorityclass

RESOURCES = (priorityclass.RESOURCE,)
