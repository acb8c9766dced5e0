"""The checks that run before a role or a binding is written, as hooks of the Store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object
from apiserver.auth.escalation import EscalationChecks
from apiserver.registry.context import Context

if TYPE_CHECKING:
    from apiserver.registry.dependencies import Dependencies
    from apiserver.registry.store import Store

Finish = Callable[[bool], Awaitable[None]]
Check = Callable[[Context, GroupResource, Object, Object | None], Awaitable[None]]


async def _nothing(success: bool) -> None:
    return None


class EscalationHooks:
    """Refuses what would give away more than its writer has."""

    def __init__(self, check: Check, resource: GroupResource) -> None:
        self._check = check
        self._resource = resource

    async def begin_create(self, ctx: Context, obj: Object) -> Finish:
        await self._check(ctx, self._resource, obj, None)
        return _nothing

    async def begin_update(self, ctx: Context, obj: Object, old: Object) -> Finish:
        await self._check(ctx, self._resource, obj, old)
        return _nothing

    async def after_delete(self, ctx: Context, obj: Object) -> None:
        return None


def role_hooks(dependencies: Dependencies, store: Store) -> EscalationHooks:
    return EscalationHooks(_checks(dependencies).check_role, store.resource.group_resource)


def binding_hooks(dependencies: Dependencies, store: Store) -> EscalationHooks:
    return EscalationHooks(_checks(dependencies).check_binding, store.resource.group_resource)


def _checks(dependencies: Dependencies) -> EscalationChecks:
    return EscalationChecks(dependencies.policy, dependencies.authorizer)
