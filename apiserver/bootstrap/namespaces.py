"""The namespaces every cluster has (upstream pkg/controlplane/controller/systemnamespaces)."""

from __future__ import annotations

from apiserver.apimachinery.gvk import GroupResource
from apiserver.bootstrap.context import BootstrapContext, Hook

NAMESPACES = GroupResource("", "namespaces")
SYSTEM = ("kube-system", "kube-public", "kube-node-lease", "default")
INTERVAL = 60.0


async def start(context: BootstrapContext) -> None:
    await sync(context)
    context.every(INTERVAL, lambda: sync(context), "system-namespaces")


async def sync(context: BootstrapContext) -> None:
    for name in SYSTEM:
        await context.objects.ensure(NAMESPACES, {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}})


HOOK = Hook("start-system-namespaces-controller", start, (NAMESPACES,))
