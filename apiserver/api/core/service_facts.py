"""What a Service's type asks for: cluster IPs, node ports, health check ports, policies."""

from __future__ import annotations

from apiserver.apimachinery.objects import Object, get

HEADLESS = "None"
WITH_CLUSTER_IP = ("ClusterIP", "NodePort", "LoadBalancer")


def kind_of(service: Object) -> str:
    return get(service, "spec", "type") or "ClusterIP"


def needs_cluster_ip(service: Object) -> bool:
    """Of every type but ExternalName: an unknown one is left to validation."""
    return kind_of(service) != "ExternalName"


def is_headless(service: Object) -> bool:
    return bool(get(service, "spec", "clusterIPs") == [HEADLESS])


def exposed_on_nodes(service: Object) -> bool:
    return kind_of(service) in ("NodePort", "LoadBalancer")


def needs_node_port(service: Object) -> bool:
    if kind_of(service) == "NodePort":
        return True
    return kind_of(service) == "LoadBalancer" and get(service, "spec", "allocateLoadBalancerNodePorts") is not False


def needs_health_check(service: Object) -> bool:
    return kind_of(service) == "LoadBalancer" and get(service, "spec", "externalTrafficPolicy") == "Local"


def externally_accessible(service: Object) -> bool:
    if kind_of(service) in ("LoadBalancer", "NodePort"):
        return True
    return kind_of(service) == "ClusterIP" and bool(get(service, "spec", "externalIPs"))


def node_ports(service: Object) -> list[int]:
    """The node ports of the Service's ports, zero where there is none."""
    return [port.get("nodePort") or 0 for port in get(service, "spec", "ports") or ()]


def all_node_ports(service: Object) -> list[int]:
    """Every node port the Service holds, the health check's included."""
    held = [*node_ports(service), get(service, "spec", "healthCheckNodePort") or 0]
    return [port for port in dict.fromkeys(held) if port]


def held_ips(service: Object) -> list[str]:
    """The cluster IPs the Service holds."""
    return [ip for ip in get(service, "spec", "clusterIPs") or () if ip and ip != HEADLESS]
