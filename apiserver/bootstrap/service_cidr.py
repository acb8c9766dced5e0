"""ServiceCIDR `kubernetes`: the range Services get their addresses from (upstream controller/defaultservicecidr)."""

from __future__ import annotations

import logging

from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object, get
from apiserver.bootstrap.context import BootstrapContext, Hook

log = logging.getLogger(__name__)

SERVICE_CIDRS = GroupResource("networking.k8s.io", "servicecidrs")
NAME = "kubernetes"
CONTROLLER = "kubernetes-service-cidr-controller"
API_VERSION = "networking.k8s.io/v1"
INTERVAL = 10.0


async def start(context: BootstrapContext) -> None:
    await sync(context)
    context.every(INTERVAL, lambda: sync(context), CONTROLLER)


async def sync(context: BootstrapContext) -> None:
    """There, as wide as the flags say, and ready."""
    objects, cidrs = context.objects, list(context.settings.service_ip_ranges)
    found = objects.get(SERVICE_CIDRS, "", NAME)
    if found is None:
        wanted = {
            "kind": "ServiceCIDR",
            "apiVersion": API_VERSION,
            "metadata": {"name": NAME},
            "spec": {"cidrs": cidrs},
        }
        found = await objects.create(SERVICE_CIDRS, wanted)
    own = get(found, "spec", "cidrs", default=[])
    if len(cidrs) == 2 and own == cidrs[:1]:
        await objects.update(SERVICE_CIDRS, "", NAME, lambda obj: _widened(obj, cidrs))
    elif own == cidrs:
        await _make_ready(context, found)
    else:
        log.warning("the default ServiceCIDR is not what the flags say", extra={"flags": cidrs, "found": own})


def _widened(obj: Object, cidrs: list[str]) -> Object:
    obj["spec"] = {**(obj.get("spec") or {}), "cidrs": cidrs}
    return obj


async def _make_ready(context: BootstrapContext, found: Object) -> None:
    conditions = get(found, "status", "conditions", default=[])
    ready = next((c for c in conditions if c.get("type") == "Ready"), None)
    if found["metadata"].get("deletionTimestamp") or (ready and ready.get("status") in ("True", "False")):
        return
    condition = {
        "type": "Ready",
        "status": "True",
        "lastTransitionTime": rfc3339(context.clock.now()),
        "message": "Kubernetes default Service CIDR is ready",
    }
    applied = {
        "kind": "ServiceCIDR",
        "apiVersion": API_VERSION,
        "metadata": {"name": NAME},
        "status": {"conditions": [condition]},
    }
    await context.objects.apply_status(SERVICE_CIDRS, applied, CONTROLLER, _with_reason)


def _with_reason(obj: Object) -> None:
    """Go writes the reason of a condition even when it is empty."""
    for found in get(obj, "status", "conditions", default=[]):
        found.setdefault("reason", "")


HOOK = Hook("start-kubernetes-service-cidr-controller", start, (SERVICE_CIDRS,))
