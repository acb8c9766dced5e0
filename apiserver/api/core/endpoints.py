"""Endpoints: the addresses behind a Service, in the old form; EndpointSlices are the new one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apiserver.api.columns import AGE, NAME
from apiserver.api.strategy import KindStrategy, metadata_update_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.addresses import endpoint_ip_errors, ip_warnings, legacy_ip_errors
from apiserver.apimachinery.errors import FieldError, invalid, not_supported, required
from apiserver.apimachinery.objects import Object
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion

PROTOCOLS = ("SCTP", "TCP", "UDP")
SHOWN = 3  # addresses in a table's cell
DEPRECATION = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
DESCRIPTION = (
    "The set of all endpoints is the union of all subsets. Addresses are placed into subsets according to the IPs they share. "
    "A single address with multiple ports, some of which are ready and some of which are not (because they come from different "
    "containers) will result in the address being displayed in different subsets for the different ports. No address will "
    "appear in both Addresses and NotReadyAddresses in the same subset. Sets of addresses and ports that comprise a service."
)


class EndpointsStrategy(KindStrategy):
    """Mirrors upstream registry/core/endpoint and ValidateEndpoints."""

    allow_create_on_update = True

    def default(self, obj: Object) -> None:
        for subset in obj.get("subsets") or ():
            for port in subset.get("ports") or ():
                if not port.get("protocol"):
                    port["protocol"] = "TCP"

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        for i, subset in enumerate(obj.get("subsets") or ()):
            yield from _subset_errors(subset, f"subsets[{i}]")

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[FieldError]:
        yield from metadata_update_errors(obj, old)
        yield from self.metadata_errors(obj)
        if obj.get("subsets") != old.get("subsets"):
            yield from self.validate(ctx, obj)

    def warnings_on_create(self, ctx: Context, obj: Object) -> Iterable[str]:
        for i, subset in enumerate(obj.get("subsets") or ()):
            for kind in ("addresses", "notReadyAddresses"):
                for j, address in enumerate(subset.get(kind) or ()):
                    yield from ip_warnings(f"subsets[{i}].{kind}[{j}].ip", address.get("ip") or "")

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[str]:
        return self.warnings_on_create(ctx, obj)


def _subset_errors(subset: Object, path: str) -> Iterator[FieldError]:
    if not subset.get("addresses") and not subset.get("notReadyAddresses"):
        yield required(path, "must specify `addresses` or `notReadyAddresses`")
    for kind in ("addresses", "notReadyAddresses"):
        for i, address in enumerate(subset.get(kind) or ()):
            yield from _address_errors(address, f"{path}.{kind}[{i}]")
    ports = subset.get("ports") or ()
    for i, port in enumerate(ports):
        yield from _port_errors(port, len(ports) > 1, f"{path}.ports[{i}]")


def _address_errors(address: Object, path: str) -> Iterator[FieldError]:
    ip, hostname, node = address.get("ip") or "", address.get("hostname"), address.get("nodeName")
    yield from legacy_ip_errors(ip, f"{path}.ip")
    if hostname:
        for message in formats.dns1123_label(hostname):
            yield invalid(f"{path}.hostname", hostname, message)
    if node is not None:
        for message in formats.subdomain_name(node, False):
            yield invalid(f"{path}.nodeName", node, message)
    yield from endpoint_ip_errors(ip, f"{path}.ip")


def _port_errors(port: Object, named: bool, path: str) -> Iterator[FieldError]:
    name, number, protocol = port.get("name") or "", port.get("port") or 0, port.get("protocol") or ""
    if named and not name:
        yield required(f"{path}.name")
    elif name:
        for message in formats.dns1123_label(name):
            yield invalid(f"{path}.name", name, message)
    for message in formats.port_number(number):
        yield invalid(f"{path}.port", number, message)
    if not protocol:
        yield required(f"{path}.protocol")
    elif protocol not in PROTOCOLS:
        yield not_supported(f"{path}.protocol", protocol, PROTOCOLS)
    if (application := port.get("appProtocol")) is not None:
        for message in formats.qualified_name(application):
            yield invalid(f"{path}.appProtocol", application, message)


def _listed(obj: Object) -> Iterator[str]:
    for subset in obj.get("subsets") or ():
        ports = subset.get("ports") or ()
        for port in ports or (None,):
            for address in subset.get("addresses") or ():
                ip = address.get("ip") or ""
                host = f"[{ip}]" if ":" in ip else ip
                yield ip if port is None else f"{host}:{port.get('port', 0)}"


def _endpoints_cell(obj: Object, now: float) -> str:
    if not obj.get("subsets"):
        return "<none>"
    found = list(_listed(obj))
    shown = ",".join(found[:SHOWN])
    return f"{shown} + {len(found) - SHOWN} more..." if len(found) > SHOWN else shown


RESOURCE = Resource(
    group="",
    plural="endpoints",
    kind="Endpoints",
    versions=(ServedVersion("v1", deprecation=DEPRECATION),),
    storage_version="v1",
    storage_prefix="/registry/services/endpoints",
    short_names=("ep",),
    strategy=EndpointsStrategy(),
    columns=(NAME, Column("Endpoints", _endpoints_cell, description=DESCRIPTION), AGE),
)
