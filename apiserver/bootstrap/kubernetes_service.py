"""Service `kubernetes` in namespace default, and the Endpoints and EndpointSlice that lead to every API server that is up.

Mirrors upstream pkg/controlplane/controller/kubernetesservice and pkg/controlplane/reconcilers.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from typing import Any

from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object, copy, get, labels_of
from apiserver.bootstrap.context import BootstrapContext, Hook, Settings, attempt
from apiserver.bootstrap.master_leases import MasterLeases

log = logging.getLogger(__name__)

SERVICES, ENDPOINTS = GroupResource("", "services"), GroupResource("", "endpoints")
SLICES = GroupResource("discovery.k8s.io", "endpointslices")
NAMESPACE, NAME = "default", "kubernetes"
SKIP_MIRROR, SERVICE_LABEL = "endpointslice.kubernetes.io/skip-mirror", "kubernetes.io/service-name"
INTERVAL = 10.0
POLL = 0.1  # seconds between looks at /readyz: nobody is led here before it says ok
SERVICE_PORT = 443


async def start(context: BootstrapContext) -> None:
    """Take away what a process that crashed left behind; the rest begins when the server is ready."""
    reconciler = Reconciler(context)
    if reconciler.enabled and await reconciler.leases.remove(context.settings.advertise_address):
        log.warning(
            "removed previous endpoints of the kubernetes service: the last API server here did not exit in order"
        )
        await reconciler.sync_endpoints(stopping=True)
    context.tasks.create_task(_run(context, reconciler), name="kubernetes-service")


async def stop(context: BootstrapContext) -> None:
    reconciler = Reconciler(context)
    if reconciler.enabled:
        await reconciler.leases.remove(context.settings.advertise_address)
        await reconciler.sync_endpoints(stopping=True)


async def _run(context: BootstrapContext, reconciler: Reconciler) -> None:
    ready = False
    while True:
        ready = ready or await context.ready()
        if ready:
            await attempt(reconciler.sync, "kubernetes-service")
        await asyncio.sleep(INTERVAL if ready else POLL)


def first_address(cidr: str) -> str:
    """The first usable address of the range is the kubernetes Service's."""
    return str(ipaddress.ip_network(cidr, strict=False)[1])


class Reconciler:
    """Level-based: what is, against what the leases say."""

    def __init__(self, context: BootstrapContext) -> None:
        self._objects = context.objects
        self._settings = context.settings
        prefix = f"{context.settings.etcd_prefix.rstrip('/')}/masterleases/"
        self.leases = MasterLeases(context.storage, prefix)

    @property
    def enabled(self) -> bool:
        return self._settings.endpoint_reconciler == "lease" and bool(self._settings.advertise_address)

    async def sync(self) -> None:
        await self._objects.ensure(SERVICES, service(self._settings))
        if self.enabled:
            await self.leases.renew(self._settings.advertise_address)
            await self.sync_endpoints()

    async def sync_endpoints(self, *, stopping: bool = False) -> None:
        """Endpoints and slice lead to the leases' addresses. A server that stops may leave them empty; no other may."""
        found = self._objects.get(ENDPOINTS, NAMESPACE, NAME)
        if found is None and stopping:
            return
        addresses = await self.leases.addresses()
        if not addresses and not stopping:
            log.warning(
                "no API server's address is in storage: the endpoints of the kubernetes service stay as they are"
            )
            return
        wanted = endpoints(found, addresses, self._settings.port, reconcile_ports=stopping)
        if found is None:
            await self._objects.ensure(ENDPOINTS, wanted)
        elif wanted != found:
            log.info("resetting endpoints of the kubernetes service", extra={"addresses": addresses})
            await self._objects.update(ENDPOINTS, NAMESPACE, NAME, lambda obj: {**wanted, "metadata": _labelled(obj)})
        await self._sync_slice(wanted)

    async def _sync_slice(self, source: Object) -> None:
        wanted = endpoint_slice(source)
        found = self._objects.get(SLICES, NAMESPACE, NAME)
        if found is not None and found.get("addressType") != wanted["addressType"]:
            await self._objects.delete(SLICES, NAMESPACE, NAME)
            found = None
        if found is None:
            await self._objects.ensure(SLICES, wanted)
            return
        same = all((found.get(key) or []) == (wanted.get(key) or []) for key in ("endpoints", "ports"))
        if not same or labels_of(found) != wanted["metadata"]["labels"]:
            await self._objects.update(SLICES, NAMESPACE, NAME, lambda obj: _replaced(obj, wanted))


def service(settings: Settings) -> Object:
    port: dict[str, Any] = {
        "name": "https",
        "protocol": "TCP",
        "port": SERVICE_PORT,
        "targetPort": settings.port,
    }
    if settings.service_node_port:
        port["nodePort"] = settings.service_node_port
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {
            "name": NAME,
            "namespace": NAMESPACE,
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "ports": [port],
            "clusterIP": first_address(settings.service_ip_ranges[0]),
            "type": "NodePort" if settings.service_node_port else "ClusterIP",
            "sessionAffinity": "None",
            "ipFamilyPolicy": "SingleStack",
        },
    }


def endpoints(found: Object | None, addresses: list[str], port: int, *, reconcile_ports: bool) -> Object:
    """The Endpoints that should be; what is right already stays as it is, ports too unless they are to be mended."""
    wanted: Object = copy(found) if found is not None else {"kind": "Endpoints", "apiVersion": "v1"}
    wanted["metadata"] = _labelled(wanted if found is not None else {})
    ports = [{"name": "https", "port": port, "protocol": "TCP"}]
    subsets = wanted.get("subsets") or []
    kept: Object = subsets[0] if len(subsets) == 1 else {"ports": ports}
    own: list[str] = [address["ip"] for address in kept.get("addresses") or ()]
    if sorted(own) != sorted(addresses):
        kept = {**kept, "addresses": [{"ip": address} for address in sorted(addresses, key=_order)]}
    if reconcile_ports:
        kept = {**kept, "ports": ports}
    if addresses:
        wanted["subsets"] = [kept]
    else:
        wanted.pop("subsets", None)
    return wanted


def _order(address: str) -> bytes:
    """Upstream orders addresses by their bytes (RepackSubsets)."""
    return ipaddress.ip_address(address).packed


def _labelled(obj: Object) -> Object:
    """The object's metadata, marked so that no controller mirrors it to slices of its own."""
    meta = obj.get("metadata") or {"name": NAME, "namespace": NAMESPACE}
    return {**meta, "labels": {**(meta.get("labels") or {}), SKIP_MIRROR: "true"}}


def endpoint_slice(source: Object) -> Object:
    """The one slice of the Endpoints."""
    subset = get(source, "subsets", 0, default={})
    addresses = [address["ip"] for address in subset.get("addresses") or ()]
    ipv6 = bool(addresses) and all(":" in address for address in addresses)
    return {
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": {SERVICE_LABEL: NAME}},
        "addressType": "IPv6" if ipv6 else "IPv4",
        "endpoints": [
            {"addresses": [address], "conditions": {"ready": True}} for address in addresses if (":" in address) == ipv6
        ],
        "ports": [dict(port) for port in subset.get("ports") or ()],
    }


def _replaced(obj: Object, wanted: Object) -> Object:
    meta = {**obj["metadata"], "labels": wanted["metadata"]["labels"]}
    return {**obj, "metadata": meta, "endpoints": wanted["endpoints"], "ports": wanted["ports"]}


HOOK = Hook("bootstrap-controller", start, (SERVICES, ENDPOINTS, SLICES), stop)
