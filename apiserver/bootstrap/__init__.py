"""Post-start hooks: what an API server brings up in its own cluster, each a readyz check of its own.

`run` starts them all at once and reports each that is done; `stop` undoes what must not outlive the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from apiserver.bootstrap import (
    authentication_info,
    flow_control,
    flow_control_status,
    identity_lease,
    kubernetes_service,
    legacy_tokens,
    namespaces,
    priority_classes,
    rbac,
    service_cidr,
)
from apiserver.bootstrap.context import BootstrapContext, Hook, Settings, attempt

__all__ = ["HOOKS", "BootstrapContext", "Hook", "Settings", "run", "stop"]

RETRY = 1.0  # seconds

# In the order in which upstream lists their checks.
HOOKS: tuple[Hook, ...] = (
    namespaces.HOOK,
    authentication_info.HOOK,
    identity_lease.HOOK,
    identity_lease.COLLECTOR,
    legacy_tokens.HOOK,
    rbac.HOOK,
    priority_classes.HOOK,
    flow_control.HOOK,
    flow_control_status.HOOK,
    kubernetes_service.HOOK,
    service_cidr.HOOK,
)


async def run(context: BootstrapContext, done: Callable[[str], None], hooks: Sequence[Hook] = HOOKS) -> None:
    """Start every hook, at once; `done(name)` tells of each that is up. Returns when all are."""
    await asyncio.gather(*(_start(context, hook, done) for hook in hooks))


async def _start(context: BootstrapContext, hook: Hook, done: Callable[[str], None]) -> None:
    if all(context.objects.serves(resource) for resource in hook.needs):
        while True:
            if await attempt(lambda: hook.start(context), hook.name):
                break
            await asyncio.sleep(RETRY)
    done(hook.name)


async def stop(context: BootstrapContext, hooks: Sequence[Hook] = HOOKS) -> None:
    """Undo, in reverse order, what others would take for a sign of life. Call it after `context.tasks` was closed."""
    for hook in reversed(hooks):
        if hook.stop is not None and all(context.objects.serves(resource) for resource in hook.needs):
            undo = hook.stop
            await attempt(lambda undo=undo: undo(context), hook.name)  # type: ignore[misc]
