"""Names of what a quota may limit (upstream pkg/apis/core/helper IsStandardQuotaResourceName)."""

from __future__ import annotations

from apiserver.apimachinery.gvk import GroupResource

HUGE_PAGES = ("hugepages-", "requests.hugepages-")
POD_COUNT = "pods"
POD_COMPUTE = frozenset({"cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"})
QUOTA_RESOURCES = POD_COMPUTE | {
    "ephemeral-storage",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
}


def is_quota_resource(name: str) -> bool:
    return name in QUOTA_RESOURCES or name.startswith(HUGE_PAGES)


def object_count_name(resource: GroupResource) -> str:
    """`count/deployments.apps`: how many objects of a resource."""
    return f"count/{resource}"
