"""LimitPodHardAntiAffinityTopology: hard anti-affinity between pods only by host name."""

from __future__ import annotations

from apiserver.admission.interface import CREATE, UPDATE, AdmissionPlugin, Attributes
from apiserver.admission.pods import PODS, spec_of
from apiserver.apimachinery.errors import forbidden

HOSTNAME = "kubernetes.io/hostname"


class LimitPodHardAntiAffinityTopology(AdmissionPlugin):
    name = "LimitPodHardAntiAffinityTopology"
    operations = frozenset({CREATE, UPDATE})
    resources = frozenset({PODS})

    async def validate(self, attributes: Attributes) -> None:
        if attributes.subresource or attributes.obj is None:
            return
        affinity = (spec_of(attributes.obj).get("affinity") or {}).get("podAntiAffinity") or {}
        for term in affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ():
            key = term.get("topologyKey") or ""
            if key != HOSTNAME:
                raise forbidden(
                    attributes.group_resource,
                    attributes.obj["metadata"].get("name") or "",
                    f"affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey {key} "
                    f"but only key {HOSTNAME} is allowed",
                )
