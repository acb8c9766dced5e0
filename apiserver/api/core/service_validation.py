"""What is valid in a Service (upstream pkg/apis/core/validation ValidateService and its relations)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apiserver.api.core import service_facts as facts
from apiserver.api.core.service_warnings import HINTS, MODE
from apiserver.apimachinery import formats
from apiserver.apimachinery.addresses import (
    endpoint_ip_errors,
    is_ipv4,
    legacy_cidr_errors,
    legacy_ip_errors,
    parse_sloppy,
)
from apiserver.apimachinery.errors import FieldError, duplicate, field_forbidden, invalid, not_supported, required
from apiserver.apimachinery.object_meta import labels_errors
from apiserver.apimachinery.objects import Object, annotations_of, get

PROTOCOLS = ("SCTP", "TCP", "UDP")
TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
FAMILIES = ("IPv4", "IPv6")
FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
POLICIES = ("Cluster", "Local")
IP_MODES = ("Proxy", "VIP")
DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
MAX_AFFINITY = 86400  # seconds
SET_ONCE = "may not change once set"
ONE_PER_FAMILY = "may specify no more than one IP for each IP family"


def service_errors(service: Object, old: Object | None) -> Iterator[FieldError]:
    """Everything but metadata and what an update may not change, in upstream's order."""
    spec = service.get("spec") or {}
    kind = spec.get("type") or ""
    yield from _topology_errors(annotations_of(service))
    yield from _type_errors(service, spec, kind)
    ports = spec.get("ports") or []
    names: list[str] = []
    for i, port in enumerate(ports):
        yield from _port_errors(port, len(ports) > 1, names, f"spec.ports[{i}]")
    yield from labels_errors(spec.get("selector"), "spec.selector")
    yield from _affinity_errors(spec)
    yield from cluster_ip_errors(service, old)
    accepted = (get(old, "spec", "externalIPs") or ()) if old is not None else ()
    for i, ip in enumerate(spec.get("externalIPs") or ()):
        found = list(legacy_ip_errors(ip, f"spec.externalIPs[{i}]", accepted))
        yield from found or endpoint_ip_errors(ip, f"spec.externalIPs[{i}]")
    if not kind:
        yield required("spec.type")
    elif kind not in TYPES:
        yield not_supported("spec.type", kind, TYPES)
    yield from _node_port_errors(ports, kind)
    yield from _source_range_errors(service, old, kind)
    yield from _balancer_errors(spec, kind)
    yield from _external_policy_errors(service, spec)
    yield from _internal_policy_errors(spec, kind)


def _topology_errors(annotations: dict[str, str]) -> Iterator[FieldError]:
    mode, hints = annotations.get(MODE), annotations.get(HINTS)
    if mode is not None and hints is not None and mode != hints:
        yield invalid(f"metadata.annotations[{MODE}]", mode, f"must match annotations[{HINTS}] when both are specified")


def _type_errors(service: Object, spec: Object, kind: str) -> Iterator[FieldError]:
    headless = facts.is_headless(service)
    if not spec.get("ports") and not headless and kind != "ExternalName":
        yield required("spec.ports")
    if kind in ("LoadBalancer", "NodePort") and headless:
        yield invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind == "ExternalName":
        for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if spec.get(field):
                yield field_forbidden(f"spec.{field}", "may not be set for ExternalName services")
        name = (spec.get("externalName") or "").removesuffix(".")
        if not name:
            yield required("spec.externalName")
        for message in formats.dns1123_subdomain(name) if name else ():
            yield invalid("spec.externalName", name, message)


def _port_errors(port: Object, named: bool, names: list[str], path: str) -> Iterator[FieldError]:
    name, number, protocol = port.get("name") or "", port.get("port") or 0, port.get("protocol") or ""
    if named and not name:
        yield required(f"{path}.name")
    elif name:
        for message in formats.dns1123_label(name):
            yield invalid(f"{path}.name", name, message)
        if name in names:
            yield duplicate(f"{path}.name", name)
        names.append(name)
    for message in formats.port_number(number):
        yield invalid(f"{path}.port", number, message)
    if not protocol:
        yield required(f"{path}.protocol")
    elif protocol not in PROTOCOLS:
        yield not_supported(f"{path}.protocol", protocol, PROTOCOLS)
    target = port.get("targetPort", 0)
    messages = formats.port_number(target) if isinstance(target, int) else formats.port_name(target)
    for message in messages:
        yield invalid(f"{path}.targetPort", target, message)
    if (application := port.get("appProtocol")) is not None:
        for message in formats.qualified_name(application):
            yield invalid(f"{path}.appProtocol", application, message)


def _affinity_errors(spec: Object) -> Iterator[FieldError]:
    affinity, config = spec.get("sessionAffinity") or "", spec.get("sessionAffinityConfig")
    if not affinity:
        yield required("spec.sessionAffinity")
    elif affinity not in ("ClientIP", "None"):
        yield not_supported("spec.sessionAffinity", affinity, ("ClientIP", "None"))
    path = "spec.sessionAffinityConfig"
    if affinity == "ClientIP":
        yield from _timeout_errors(config, path)
    elif affinity == "None" and config is not None:
        yield field_forbidden(path, "must not be set when session affinity is None")


def _timeout_errors(config: Object | None, path: str) -> Iterator[FieldError]:
    """Upstream validateClientIPAffinityConfig: the first that is missing on the way to the timeout is told."""
    value: Any = config
    for here, field in ((path, "clientIP"), (f"{path}.clientIP", "timeoutSeconds")):
        if value is None:
            yield required(here, "when session affinity type is ClientIP")
            return
        value = value.get(field)
    here = f"{path}.clientIP.timeoutSeconds"
    if value is None:
        yield required(here, "when session affinity type is ClientIP")
    elif not 0 < value <= MAX_AFFINITY:
        yield invalid(here, value, f"must be greater than 0 and less than {MAX_AFFINITY}")


def cluster_ip_errors(service: Object, old: Object | None) -> Iterator[FieldError]:
    """Upstream ValidateServiceClusterIPsRelatedFields."""
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return
    ip, ips = spec.get("clusterIP") or "", spec.get("clusterIPs") or []
    if ip and not ips:
        yield required("spec.clusterIPs")
    elif ip and ips[0] != ip:
        yield invalid("spec.clusterIPs", ips, "first value must match `clusterIP`")
    elif not ip and ips:
        yield invalid("spec.clusterIPs", ips, "must be empty when `clusterIP` is not specified")
    yield from _family_errors(spec)
    known = (get(old, "spec", "clusterIPs") or ()) if old is not None else ()
    bad = False
    for i, value in enumerate(ips):
        found: list[FieldError] = []
        if i == 0 and value == facts.HEADLESS:
            if len(ips) > 1:
                found = [invalid("spec.clusterIPs", ips, "'None' must be the first and only value")]
        elif value not in known:
            found = list(legacy_ip_errors(value, f"spec.clusterIPs[{i}]"))
        bad = bad or bool(found)
        yield from found
    if len(ips) > 2:
        yield invalid("spec.clusterIPs", ips, "may only hold up to 2 values")
    if not bad:
        yield from _stack_errors(service, ips, spec.get("ipFamilies") or [])


def _family_errors(spec: Object) -> Iterator[FieldError]:
    seen: list[str] = []
    for i, family in enumerate(spec.get("ipFamilies") or ()):
        if family not in FAMILIES:
            yield not_supported(f"spec.ipFamilies[{i}]", family, FAMILIES)
        if family in seen:
            yield duplicate(f"spec.ipFamilies[{i}]", family)
        seen.append(family)
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in FAMILY_POLICIES:
        yield not_supported("spec.ipFamilyPolicy", policy, FAMILY_POLICIES)


def _stack_errors(service: Object, ips: list[str], families: list[str]) -> Iterator[FieldError]:
    if len(ips) > 1 and len({is_ipv4(ip) for ip in ips}) < 2:
        yield invalid("spec.clusterIPs", ips, ONE_PER_FAMILY)
    if facts.is_headless(service):
        return
    for i, (ip, family) in enumerate(zip(ips, families, strict=False)):
        if family in FAMILIES and (family == "IPv4") != is_ipv4(ip):
            yield invalid(f"spec.clusterIPs[{i}]", ip, f"expected an {family} value as indicated by `ipFamilies[{i}]`")


def _node_port_errors(ports: list[Object], kind: str) -> Iterator[FieldError]:
    if kind == "ClusterIP":
        for i, port in enumerate(ports):
            if port.get("nodePort"):
                yield field_forbidden(f"spec.ports[{i}].nodePort", "may not be used when `type` is 'ClusterIP'")
    seen_nodes: list[tuple[str, int]] = []
    for i, port in enumerate(ports):
        node = (port.get("protocol") or "", port.get("nodePort") or 0)
        if node[1]:
            if node in seen_nodes:
                yield duplicate(f"spec.ports[{i}].nodePort", node[1])
            seen_nodes.append(node)
    seen: list[tuple[str, int]] = []
    for i, port in enumerate(ports):
        pair = (port.get("protocol") or "", port.get("port") or 0)
        if pair in seen:
            yield duplicate(f"spec.ports[{i}]", _bare_port(*pair))
        seen.append(pair)


def _bare_port(protocol: str, number: int) -> dict[str, Any]:
    """Upstream's internal type as a bad value prints it."""
    return {"Name": "", "Protocol": protocol, "AppProtocol": None, "Port": number, "TargetPort": 0, "NodePort": 0}


def _source_range_errors(service: Object, old: Object | None, kind: str) -> Iterator[FieldError]:
    """From the field, or from the annotation that came before it. Spaces around a range are allowed."""
    ranges = get(service, "spec", "loadBalancerSourceRanges") or []
    annotation = annotations_of(service).get(SOURCE_RANGES)
    path = "spec.LoadBalancerSourceRanges" if ranges else f"metadata.annotations[{SOURCE_RANGES}]"
    if not ranges and annotation is None:
        return
    if kind != "LoadBalancer":
        yield field_forbidden(path, "may only be used when `type` is 'LoadBalancer'")
    accepted = [cidr.strip() for cidr in (get(old, "spec", "loadBalancerSourceRanges") or () if old else ())]
    for i, value in enumerate(ranges):
        yield from legacy_cidr_errors(value.strip(), f"{path}[{i}]", accepted)
    if ranges or annotation is None or not annotation.strip():
        return
    if old is None or annotations_of(old).get(SOURCE_RANGES, "") != annotation:
        for value in annotation.strip().split(","):
            yield from legacy_cidr_errors(value.strip(), path)


def _balancer_errors(spec: Object, kind: str) -> Iterator[FieldError]:
    allocate = spec.get("allocateLoadBalancerNodePorts")
    if kind == "LoadBalancer" and allocate is None:
        yield required("allocateLoadBalancerNodePorts")
    if kind != "LoadBalancer" and allocate is not None:
        yield field_forbidden("spec.allocateLoadBalancerNodePorts", "may only be used when `type` is 'LoadBalancer'")
    yield from _class_errors(spec.get("loadBalancerClass"), kind)


def _class_errors(name: str | None, kind: str) -> Iterator[FieldError]:
    if name is not None and kind != "LoadBalancer":
        yield field_forbidden("spec.loadBalancerClass", "may only be used when `type` is 'LoadBalancer'")
    elif name is not None:
        for message in formats.qualified_name(name):
            yield invalid("spec.loadBalancerClass", name, message)


def _external_policy_errors(service: Object, spec: Object) -> Iterator[FieldError]:
    policy, port = spec.get("externalTrafficPolicy") or "", spec.get("healthCheckNodePort") or 0
    if not facts.externally_accessible(service):
        if policy:
            detail = "may only be set for externally-accessible services"
            yield invalid("spec.externalTrafficPolicy", policy, detail)
    elif not policy:
        yield required("spec.externalTrafficPolicy")
    elif policy not in POLICIES:
        yield not_supported("spec.externalTrafficPolicy", policy, POLICIES)
    if not facts.needs_health_check(service):
        if port:
            detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
            yield invalid("spec.healthCheckNodePort", port, detail)
    elif not port:
        yield required("spec.healthCheckNodePort")
    else:
        for message in formats.port_number(port):
            yield invalid("spec.healthCheckNodePort", port, message)


def _internal_policy_errors(spec: Object, kind: str) -> Iterator[FieldError]:
    policy, distribution = spec.get("internalTrafficPolicy"), spec.get("trafficDistribution")
    if policy is None and kind in ("NodePort", "LoadBalancer", "ClusterIP"):
        yield required("spec.internalTrafficPolicy")
    if policy is not None and policy not in POLICIES:
        yield not_supported("spec.internalTrafficPolicy", policy, POLICIES)
    if distribution is not None and distribution not in DISTRIBUTIONS:
        yield not_supported("spec.trafficDistribution", distribution, DISTRIBUTIONS)


def balancer_status_errors(service: Object, old: Object) -> Iterator[FieldError]:
    """Upstream ValidateLoadBalancerStatus."""
    path, points = "status.loadBalancer.ingress", get(service, "status", "loadBalancer", "ingress") or ()
    if points and facts.kind_of(service) != "LoadBalancer":
        yield field_forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")
        return
    accepted = [point["ip"] for point in get(old, "status", "loadBalancer", "ingress") or () if point.get("ip")]
    for i, point in enumerate(points):
        here, ip, mode = f"{path}[{i}]", point.get("ip") or "", point.get("ipMode")
        if ip:
            yield from legacy_ip_errors(ip, f"{here}.ip", accepted)
        if mode is None:
            if ip:
                yield required(f"{here}.ipMode", "must be specified when `ip` is set")
        elif not ip:
            yield field_forbidden(f"{here}.ipMode", "may not be specified when `ip` is not set")
        elif mode not in IP_MODES:
            yield not_supported(f"{here}.ipMode", mode, IP_MODES)
        if name := point.get("hostname"):
            for message in formats.dns1123_subdomain(name):
                yield invalid(f"{here}.hostname", name, message)
            if parse_sloppy(name) is not None:
                yield invalid(f"{here}.hostname", name, "must be a DNS name, not an IP address")


def change_errors(service: Object, old: Object) -> Iterator[FieldError]:
    """What an update may not change."""
    if "ExternalName" not in (facts.kind_of(service), facts.kind_of(old)):
        headless = facts.is_headless(service), facts.is_headless(old)
        if not all(headless):
            yield from _held_errors(service, old, "clusterIPs", "clusterIP")
        if not any(headless):
            yield from _held_errors(service, old, "ipFamilies", "ipFamily")
    name, before = get(service, "spec", "loadBalancerClass"), get(old, "spec", "loadBalancerClass")
    if facts.kind_of(service) == facts.kind_of(old) == "LoadBalancer" and name != before:
        yield invalid("spec.loadBalancerClass", name, SET_ONCE)
    yield from _class_errors(name, facts.kind_of(service))
    if facts.needs_health_check(service) and facts.needs_health_check(old):
        port = get(service, "spec", "healthCheckNodePort")
        if port != get(old, "spec", "healthCheckNodePort"):
            yield field_forbidden("spec.healthCheckNodePort", "field is immutable")


def _held_errors(service: Object, old: Object, field: str, singular: str) -> Iterator[FieldError]:
    """The primary stays; a secondary may come, and may go with the policy SingleStack."""
    now, before = get(service, "spec", field) or [], get(old, "spec", field) or []
    if len(now) == len(before):
        for i, value in enumerate(before):
            if value != now[i]:
                yield invalid(f"spec.{field}[{i if field == 'clusterIPs' else 0}]", now, SET_ONCE)
        return
    if not now:
        yield invalid(f"spec.{field}[0]", now, f"primary {singular} can not be unset")
    elif before and now[0] != before[0]:
        yield invalid(f"spec.{field}[0]", now, SET_ONCE)
    policy = get(service, "spec", "ipFamilyPolicy")
    if len(now) == 1 < len(before) and policy != "SingleStack":
        detail = f"must be set to 'SingleStack' when releasing the secondary {singular}"
        yield invalid("spec.ipFamilyPolicy", policy, detail)
