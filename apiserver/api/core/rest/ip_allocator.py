"""Cluster IPs as IPAddress objects: whoever creates the object of an address has the address.

Mirrors upstream pkg/registry/core/service/ipallocator (MultiCIDRServiceAllocator): addresses come from ServiceCIDRs, at
random from the upper band of the range first, so that the lower one stays for those who choose their address.
"""

from __future__ import annotations

import ipaddress
from dataclasses import replace

from apiserver.apimachinery.addresses import parse_sloppy
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.dependencies import Dependencies

IP_ADDRESSES = GroupResource("networking.k8s.io", "ipaddresses")
SERVICE_CIDRS = GroupResource("networking.k8s.io", "servicecidrs")
NOT_IN_RANGE = "the provided network does not match the current range"
OUT_OF_RANGE = "the provided IP ({}) is not in the valid range. The range of valid IPs is {}"
ALLOCATED = "provided IP is already allocated"
FULL = "range is full"
RANDOM_TRIES = 64
OWNER = {  # in managedFields: what the server set of every address
    "manager": "kube-apiserver",
    "operation": "Update",
    "apiVersion": "networking.k8s.io/v1",
    "fieldsType": "FieldsV1",
    "fieldsV1": {
        "f:metadata": {
            "f:labels": {
                ".": {},
                "f:ipaddress.kubernetes.io/ip-family": {},
                "f:ipaddress.kubernetes.io/managed-by": {},
            }
        },
        "f:spec": {"f:parentRef": {".": {}, "f:name": {}, "f:namespace": {}, "f:resource": {}}},
    },
}

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class AllocationError(Exception):
    """Why an address or port cannot be had, in upstream's words."""


def static_band(network: Network) -> int:
    """How many addresses of a range are handed out at random last: 16 to 256, a sixteenth of the range."""
    size = network.num_addresses - 2
    return 0 if size < 16 else min(max(16, size // 16), 256)


class IPAllocator:
    """Allocates and releases the cluster IPs of Services."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._rand = dependencies.rand

    def networks(self) -> list[Network]:
        """The ranges in use: every ServiceCIDR that is ready and not on its way out; the flag's before any is seen."""
        found: list[str] = []
        for cidr in self._dependencies.listers(SERVICE_CIDRS).list():
            conditions = get(cidr, "status", "conditions") or ()
            ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
            if ready and not cidr["metadata"].get("deletionTimestamp"):
                found += get(cidr, "spec", "cidrs") or []
        ranges = found or list(self._dependencies.service_ip_ranges)
        return [ipaddress.ip_network(text, strict=False) for text in ranges]

    def families(self) -> list[str]:
        """The IP families this cluster allocates from, the default one first."""
        versions = dict.fromkeys(
            ipaddress.ip_network(r, strict=False).version for r in self._dependencies.service_ip_ranges
        )
        return [f"IPv{version}" for version in versions]

    async def take(self, ctx: Context, service: Object, text: str) -> str:
        """Allocate the given address for a Service, which keeps it as written. Raises AllocationError."""
        address, networks = parse_sloppy(text), self.networks()
        if address is None:
            raise AllocationError(NOT_IN_RANGE)
        if not any(_usable(network, address) for network in networks):
            # A dry run asks one of the ranges, whichever, as upstream.
            around = networks[:1] if ctx.dry_run else [network for network in networks if address in network]
            raise AllocationError(OUT_OF_RANGE.format(address, around[0]) if around else NOT_IN_RANGE)
        if ctx.dry_run:
            return text  # not even whether it is taken is looked at, as upstream
        if not await self._claim(ctx, service, str(address)):
            raise AllocationError(ALLOCATED)
        return text

    async def take_any(self, ctx: Context, service: Object, family: str) -> str:
        """Allocate a free address of the family. Raises AllocationError when there is none."""
        for network in self.networks():
            if f"IPv{network.version}" != family:
                continue
            if ctx.dry_run:
                return str(network.network_address)
            if (found := await self._search(ctx, service, network)) is not None:
                return found
        raise AllocationError(FULL)

    async def _search(self, ctx: Context, service: Object, network: Network) -> str | None:
        size, band = network.num_addresses, static_band(network)
        last = size - 2 if network.version == 4 else size - 1
        for low, high in ((band + 1, last), (1, band)):
            if low > high:
                continue
            for _ in range(RANDOM_TRIES):
                text = str(network.network_address + self._rand.randint(low, high))
                if await self._claim(ctx, service, text):
                    return text
            for offset in range(low, min(high, low + 65536) + 1):
                text = str(network.network_address + offset)
                if await self._claim(ctx, service, text):
                    return text
        return None

    async def _claim(self, ctx: Context, service: Object, text: str) -> bool:
        """Create the address's object; False when it is there already."""
        if self._dependencies.listers(IP_ADDRESSES).get("", text) is not None:
            return False
        meta = service["metadata"]
        address = ipaddress.ip_address(text)
        labels = {
            "ipaddress.kubernetes.io/ip-family": f"IPv{address.version}",
            "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
        }
        parent = {"resource": "services", "namespace": meta.get("namespace", ctx.namespace), "name": meta["name"]}
        owner = {**OWNER, "time": ctx.timestamp()}
        made = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IPAddress",
            "metadata": {"name": text, "labels": labels, "managedFields": [owner]},
            "spec": {"parentRef": parent},
        }
        try:
            await self._dependencies.store(IP_ADDRESSES).create(self._own(ctx), made)
        except StatusError as error:
            if error.reason == "AlreadyExists":
                return False
            raise
        return True

    async def release(self, ctx: Context, text: str) -> None:
        """Give an address back; one that is gone already is fine."""
        if ctx.dry_run:
            return
        name = str(parse_sloppy(text) or text)
        try:
            await self._dependencies.store(IP_ADDRESSES).delete(self._own(ctx), name, {"gracePeriodSeconds": 0})
        except StatusError as error:
            if error.code != 404:
                raise

    @staticmethod
    def _own(ctx: Context) -> Context:
        """The server itself acts here, on a cluster-scoped resource."""
        return replace(ctx, namespace="", version="v1", subresource="", warnings=[])


def _usable(network: Network, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if address not in network or address == network.network_address:
        return False
    return network.version == 6 or address != network.broadcast_address
