"""Scopes: which pods, or claims, a quota counts (upstream pkg/apis/core/helper, pkg/quota/v1/evaluator/core)."""

from __future__ import annotations

from apiserver.apimachinery.quota.names import POD_COMPUTE, POD_COUNT

TERMINATING, NOT_TERMINATING = "Terminating", "NotTerminating"
BEST_EFFORT, NOT_BEST_EFFORT = "BestEffort", "NotBestEffort"
PRIORITY_CLASS, CROSS_NAMESPACE = "PriorityClass", "CrossNamespacePodAffinity"
VOLUME_ATTRIBUTES_CLASS = "VolumeAttributesClass"

EXISTS_ONLY = frozenset({BEST_EFFORT, NOT_BEST_EFFORT, TERMINATING, NOT_TERMINATING, CROSS_NAMESPACE})
STANDARD = EXISTS_ONLY | {PRIORITY_CLASS, VOLUME_ATTRIBUTES_CLASS}
_CLAIM_RESOURCES = frozenset({"persistentvolumeclaims", "requests.storage"})


def is_standard(scope: str) -> bool:
    return scope in STANDARD


def fits(scope: str, resource: str) -> bool:
    """Whether a scope says anything of a resource (upstream IsResourceQuotaScopeValidForResource)."""
    if scope == BEST_EFFORT:
        return resource == POD_COUNT
    if scope == VOLUME_ATTRIBUTES_CLASS:
        return resource in _CLAIM_RESOURCES
    if scope in STANDARD:
        return resource == POD_COUNT or resource in POD_COMPUTE
    return True
