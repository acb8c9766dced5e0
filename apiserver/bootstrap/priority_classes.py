"""The two priority classes of the system (upstream pkg/registry/scheduling/rest)."""

from __future__ import annotations

from apiserver.api.scheduling.priorityclass import GROUP, SYSTEM_CLASSES
from apiserver.apimachinery.gvk import GroupResource
from apiserver.bootstrap.context import BootstrapContext, Hook

PRIORITY_CLASSES = GroupResource(GROUP, "priorityclasses")


async def start(context: BootstrapContext) -> None:
    for name, (value, description) in SYSTEM_CLASSES.items():
        obj = {
            "kind": "PriorityClass",
            "apiVersion": f"{GROUP}/v1",
            "metadata": {"name": name},
            "value": value,
            "description": description,
        }
        await context.objects.ensure(PRIORITY_CLASSES, obj)


HOOK = Hook("scheduling/bootstrap-system-priority-classes", start, (PRIORITY_CLASSES,))
