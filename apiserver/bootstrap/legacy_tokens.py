"""A ConfigMap tells since when the use of legacy service-account tokens is noted (upstream controller/legacytokentracking)."""

from __future__ import annotations

from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object, get
from apiserver.bootstrap.context import BootstrapContext, Hook

CONFIG_MAPS = GroupResource("", "configmaps")
NAMESPACE, NAME = "kube-system", "kube-apiserver-legacy-service-account-token-tracking"
INTERVAL = 1800.0  # as upstream limits the creation


async def start(context: BootstrapContext) -> None:
    await sync(context)
    context.every(INTERVAL, lambda: sync(context), "legacy-token-tracking")


async def sync(context: BootstrapContext) -> None:
    objects = context.objects
    today = rfc3339(context.clock.now())[:10]
    existing = objects.get(CONFIG_MAPS, NAMESPACE, NAME)
    if existing is None:
        meta = {"name": NAME, "namespace": NAMESPACE}
        obj = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta, "data": {"since": today}}
        await objects.ensure(CONFIG_MAPS, obj)
    elif not _is_date(get(existing, "data", "since", default=""), today):
        await objects.update(CONFIG_MAPS, NAMESPACE, NAME, lambda obj: _dated(obj, today))


def _is_date(text: str, today: str) -> bool:
    """A day that is not in the future."""
    parts = text.split("-")
    return [len(part) for part in parts] == [4, 2, 2] and all(part.isdigit() for part in parts) and text <= today


def _dated(obj: Object, today: str) -> Object:
    obj["data"] = {"since": today}
    return obj


HOOK = Hook("start-legacy-token-tracking-controller", start, (CONFIG_MAPS,))
