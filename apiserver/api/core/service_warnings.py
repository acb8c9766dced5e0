"""What the API tells about Services that it takes all the same (upstream pkg/api/service/warnings.go)."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.core import service_facts as facts
from apiserver.apimachinery.addresses import cidr_warnings, ip_warnings
from apiserver.apimachinery.objects import Object, annotations_of, get

HINTS = "service.kubernetes.io/topology-aware-hints"
MODE = "service.kubernetes.io/topology-mode"


def service_warnings(service: Object) -> Iterator[str]:
    """In upstream's order."""
    spec, kind = service.get("spec") or {}, facts.kind_of(service)
    headless = kind == "ClusterIP" and spec.get("clusterIP") == facts.HEADLESS
    external = spec.get("externalIPs") or []
    if HINTS in annotations_of(service):
        yield f"annotation {HINTS} is deprecated, please use {MODE} instead"
    if spec.get("clusterIP") not in (None, "", facts.HEADLESS):
        for i, ip in enumerate(spec.get("clusterIPs") or ()):
            yield from ip_warnings(f"spec.clusterIPs[{i}]", ip)
    if headless:
        yield from _ignored_when_headless(spec)
    for i, ip in enumerate(external):
        yield from ip_warnings(f"spec.externalIPs[{i}]", ip)
    if external and not headless and kind != "ExternalName":
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if spec.get("loadBalancerIP"):
        yield from ip_warnings("spec.loadBalancerIP", spec["loadBalancerIP"])
    for i, cidr in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        yield from cidr_warnings(f"spec.loadBalancerSourceRanges[{i}]", cidr)
    if kind == "ExternalName" and external:
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if kind != "ExternalName" and spec.get("externalName"):
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec.get("trafficDistribution") == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'


def _ignored_when_headless(spec: Object) -> Iterator[str]:
    if spec.get("loadBalancerIP"):
        yield "spec.loadBalancerIP is ignored for headless services"
    if spec.get("externalIPs"):
        yield "spec.externalIPs is ignored for headless services"
    if spec.get("sessionAffinity") != "None":
        yield "spec.SessionAffinity is ignored for headless services"


def status_warnings(service: Object) -> Iterator[str]:
    for i, point in enumerate(get(service, "status", "loadBalancer", "ingress") or ()):
        if point.get("ip"):
            yield from ip_warnings(f"status.loadBalancer.ingress[{i}]", point["ip"])
