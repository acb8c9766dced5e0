"""What an update of a Service means: allocated values it left out stay, what the new type does not have goes."""

from __future__ import annotations

from apiserver.api.core import service_facts as facts
from apiserver.apimachinery.objects import Object


def sync_cluster_ips(spec: Object) -> None:
    """clusterIP alone means clusterIPs of one (upstream normalizeClusterIPs, for a new object)."""
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]


def carry_over(obj: Object, old: Object) -> None:
    """Take over what was allocated where the update leaves it out (upstream patchAllocatedValues, normalizeClusterIPs)."""
    spec, before = obj["spec"], old.get("spec") or {}
    if facts.needs_cluster_ip(obj) and facts.needs_cluster_ip(old):
        if not spec.get("clusterIP") and before.get("clusterIP"):
            spec["clusterIP"] = before["clusterIP"]
        if not spec.get("clusterIPs") and before.get("clusterIPs"):
            spec["clusterIPs"] = list(before["clusterIPs"])
    if facts.needs_node_port(obj) and facts.needs_node_port(old):
        _carry_node_ports(obj, old)
    if facts.needs_health_check(obj) and facts.needs_health_check(old) and not spec.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = before.get("healthCheckNodePort") or 0
    _follow_cluster_ip(spec, before)


def _carry_node_ports(obj: Object, old: Object) -> None:
    """By the ports' names: a client may have changed everything else of a port."""
    used = set(facts.node_ports(obj)) & set(facts.node_ports(old))
    by_name = {port.get("name") or "": port.get("nodePort") or 0 for port in old["spec"].get("ports") or ()}
    for port in obj["spec"].get("ports") or ():
        known = by_name.get(port.get("name") or "", 0)
        if not port.get("nodePort") and known and known not in used:
            port["nodePort"] = known


def _follow_cluster_ip(spec: Object, before: Object) -> None:
    """A client that knows only clusterIP changes or clears clusterIPs with it."""
    ip, was = spec.get("clusterIP") or "", before.get("clusterIP") or ""
    ips, were = spec.get("clusterIPs") or [], before.get("clusterIPs") or []
    if ip == was:
        if were and not ips:
            spec["clusterIPs"] = list(were)
    elif ips == were:
        if ip:
            spec["clusterIPs"] = [ip]
        else:
            spec.pop("clusterIPs", None)


def drop_what_the_type_ends(obj: Object, old: Object) -> None:
    """Wipe what the new type does not have, where the client did not touch it (upstream dropTypeDependentFields)."""
    spec, before = obj["spec"], old.get("spec") or {}

    def drop(*fields: str) -> None:
        """Together: what belongs together goes only when none of it was touched."""
        if all(spec.get(field) == before.get(field) for field in fields):
            for field in fields:
                spec.pop(field, None)

    if facts.needs_cluster_ip(old) and not facts.needs_cluster_ip(obj):
        drop("clusterIP", "clusterIPs")
        for field in ("ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
            drop(field)
    new_ports = set(facts.node_ports(obj)) - {0, *facts.node_ports(old)}
    if facts.exposed_on_nodes(old) and not facts.exposed_on_nodes(obj) and not new_ports:
        for port in spec.get("ports") or ():
            port.pop("nodePort", None)
    if facts.needs_health_check(old) and not facts.needs_health_check(obj):
        drop("healthCheckNodePort")
    if facts.kind_of(old) == "LoadBalancer" != facts.kind_of(obj):
        drop("allocateLoadBalancerNodePorts")
        drop("loadBalancerClass")
    if facts.externally_accessible(old) and not facts.externally_accessible(obj):
        drop("externalTrafficPolicy")
    if facts.kind_of(obj) != "LoadBalancer":
        obj["status"] = {**obj["status"], "loadBalancer": {}}
