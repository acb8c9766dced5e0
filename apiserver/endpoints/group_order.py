"""The order of groups and versions in discovery: upstream's APIService priorities, then names.

Mirrors kubernetes cmd/kube-apiserver/app/aggregator.go, pkg/controlplane/apiserver/aggregator.go and kube-aggregator's sorting.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from apiserver.apimachinery.gvk import GroupVersion

GROUP_PRIORITIES = {
    "": 18000,
    "apiregistration.k8s.io": 18000,
    "apps": 17800,
    "events.k8s.io": 17750,
    "authentication.k8s.io": 17700,
    "authorization.k8s.io": 17600,
    "autoscaling": 17500,
    "batch": 17400,
    "certificates.k8s.io": 17300,
    "networking.k8s.io": 17200,
    "policy": 17100,
    "rbac.authorization.k8s.io": 17000,
    "storage.k8s.io": 16800,
    "apiextensions.k8s.io": 16700,
    "admissionregistration.k8s.io": 16700,
    "scheduling.k8s.io": 16600,
    "coordination.k8s.io": 16500,
    "node.k8s.io": 16300,
    "discovery.k8s.io": 16200,
    "resource.k8s.io": 16200,
    "flowcontrol.apiserver.k8s.io": 16100,
    "internal.apiserver.k8s.io": 16000,
    "storagemigration.k8s.io": 15800,
    "lifecycle.k8s.io": 15700,
}
CUSTOM_PRIORITY = 1000  # of groups that custom resources bring

# Versions whose priority is not what their names say.
_VERSION_PRIORITIES = {GroupVersion("autoscaling", "v2"): 30, GroupVersion("autoscaling", "v1"): 15}
_KUBE_VERSION = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?")
_STAGES = {None: 0, "beta": 1, "alpha": 2}


def version_key(version: str) -> tuple[int, int, int, int, str]:
    """Best first: v2, v1, v1beta2, v1beta1, v1alpha1, then other names by the alphabet (CompareKubeAwareVersionStrings)."""
    match = _KUBE_VERSION.fullmatch(version)
    if match is None:
        return (1, 0, 0, 0, version)
    major, stage, minor = match.groups()
    return (0, _STAGES[stage], -int(major), -int(minor or 0), "")


def group_versions(served: Iterable[GroupVersion]) -> dict[str, list[str]]:
    """Group → its versions, preferred first; groups in discovery's order, the core group apart from it first."""
    versions: dict[str, list[str]] = {}
    for group, version in dict.fromkeys(served):
        versions.setdefault(group, []).append(version)
    return {
        group: _sorted_versions(group, versions[group]) for group in sorted(versions, key=lambda g: _key(g, versions))
    }


def _sorted_versions(group: str, versions: list[str]) -> list[str]:
    return sorted(versions, key=lambda v: (-_VERSION_PRIORITIES.get(GroupVersion(group, v), 0), version_key(v)))


def _key(group: str, versions: dict[str, list[str]]) -> tuple[int, int, str]:
    """Equal priorities are told apart by the APIServices' names, which begin with a version."""
    return (-GROUP_PRIORITIES.get(group, CUSTOM_PRIORITY), len(group) > 0, min(f"{v}.{group}" for v in versions[group]))
