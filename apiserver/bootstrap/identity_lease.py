"""Each API server holds a Lease in kube-system that says it is alive; leases nobody renews are collected.

Mirrors upstream pkg/controlplane/apiserver/server.go, component-helpers/apimachinery/lease, controller/apiserverleasegc.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from apiserver.apimachinery.clock import parse_rfc3339, rfc3339_micro
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object, get, labels_of, name_of
from apiserver.bootstrap.context import BootstrapContext, Hook, Settings

LEASES = GroupResource("coordination.k8s.io", "leases")
NAMESPACE = "kube-system"
COMPONENT = "kube-apiserver"
IDENTITY_LABEL, HOSTNAME_LABEL = "apiserver.kubernetes.io/identity", "kubernetes.io/hostname"
PEER_ANNOTATION = "kubernetes.io/peer-advertise-address"
DURATION, RENEW, COLLECT = 3600, 10.0, 3600.0  # seconds


def server_id(hostname: str) -> str:
    """`apiserver-<hash>`: upstream hashes the host's name and the component's, each behind its length."""
    parts = (hostname.encode(), COMPONENT.encode())
    digest = hashlib.sha256(b"".join(len(part).to_bytes(2, "big") + part for part in parts)).digest()
    return "apiserver-" + base64.b32encode(digest[:16]).decode().rstrip("=").lower()


async def start(context: BootstrapContext) -> None:
    """An old lease of the same host is of a process that is gone."""
    name = server_id(context.settings.hostname)
    holder = f"{name}_{context.rand.uuid()}"
    await context.objects.delete(LEASES, NAMESPACE, name)
    await _renew(context, name, holder)
    context.every(RENEW, lambda: _renew(context, name, holder), "identity-lease")


async def stop(context: BootstrapContext) -> None:
    await context.objects.delete(LEASES, NAMESPACE, server_id(context.settings.hostname))


async def _renew(context: BootstrapContext, name: str, holder: str) -> None:
    """Without looking first: the lease is there unless somebody took it away."""
    wanted = lease(context.settings, name, holder, context.clock.now())
    try:
        await context.objects.update(LEASES, NAMESPACE, name, lambda old: _renewed(old, wanted))
    except StatusError as e:
        if e.reason != "NotFound":
            raise
        await context.objects.create(LEASES, wanted)


def lease(settings: Settings, name: str, holder: str, now: float) -> Object:
    meta: dict[str, Any] = {
        "name": name,
        "namespace": NAMESPACE,
        "labels": {IDENTITY_LABEL: COMPONENT, HOSTNAME_LABEL: settings.hostname},
    }
    if settings.advertise_address:
        host = f"[{settings.advertise_address}]" if ":" in settings.advertise_address else settings.advertise_address
        meta["annotations"] = {PEER_ANNOTATION: f"{host}:{settings.port}"}
    spec = {"holderIdentity": holder, "leaseDurationSeconds": DURATION, "renewTime": rfc3339_micro(now)}
    return {"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "metadata": meta, "spec": spec}


def _renewed(old: Object, wanted: Object) -> Object:
    old["spec"] = {**(old.get("spec") or {}), **wanted["spec"]}
    for field in ("labels", "annotations"):
        if wanted["metadata"].get(field):
            old["metadata"][field] = {**(old["metadata"].get(field) or {}), **wanted["metadata"][field]}
    return old


async def start_collector(context: BootstrapContext) -> None:
    context.every(COLLECT, lambda: collect(context), "identity-lease-collector")


async def collect(context: BootstrapContext) -> None:
    """Delete the leases of API servers that have not renewed them in time."""
    now = context.clock.now()
    for found in context.objects.list(LEASES, NAMESPACE):
        if labels_of(found).get(IDENTITY_LABEL) == COMPONENT and is_expired(found, now):
            await context.objects.delete(LEASES, NAMESPACE, name_of(found))


def is_expired(found: Object, now: float) -> bool:
    renewed, duration = get(found, "spec", "renewTime"), get(found, "spec", "leaseDurationSeconds")
    return renewed is None or duration is None or parse_rfc3339(renewed) + duration < now


HOOK = Hook("start-kube-apiserver-identity-lease-controller", start, (LEASES,), stop)
COLLECTOR = Hook("start-kube-apiserver-identity-lease-garbage-collector", start_collector, (LEASES,))
