"""The group networking.k8s.io."""

from __future__ import annotations

from apiserver.api.networking import ingress, ingressclass, ipaddress, networkpolicy, servicecidr
from apiserver.registry.resource import Resource

RESOURCES: tuple[Resource, ...] = (
    ingress.RESOURCE,
    ingressclass.RESOURCE,
    ipaddress.RESOURCE,
    networkpolicy.RESOURCE,
    servicecidr.RESOURCE,
)
