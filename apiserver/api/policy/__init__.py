"""policy: how much disruption an application bears."""

from apiserver.api.policy import poddisruptionbudget

RESOURCES = (poddisruptionbudget.RESOURCE,)
