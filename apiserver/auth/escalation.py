"""Nobody may give away rights they do not have, unless they hold the verb `escalate` (roles) or `bind` (bindings).

Mirrors upstream pkg/registry/rbac/*/policybased and pkg/registry/rbac/validation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apiserver.apimachinery.errors import StatusError, bad_request, forbidden, not_found
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.http import UserInfo
from apiserver.apimachinery.objects import Object, name_of
from apiserver.auth.authorizers.policy import Policy, RoleNotFound
from apiserver.auth.authorizers.rules import ALL, Rule, compact, describe, rules_of, uncovered
from apiserver.auth.authorizers.simple import MASTERS
from apiserver.auth.interface import ALLOW, Authorizer, AuthorizerAttributes
from apiserver.auth.text import go_quote, go_quotes
from apiserver.registry.context import Context

FULL_AUTHORITY = (Rule((ALL,), groups=(ALL,), resources=(ALL,)), Rule((ALL,), urls=(ALL,)))
_ROLE_RESOURCES = {"ClusterRole": "clusterroles", "Role": "roles"}


@dataclass(frozen=True)
class EscalationChecks:
    """Asked before a role or a binding is written."""

    policy: Policy
    authorizer: Authorizer

    async def check_role(self, ctx: Context, resource: GroupResource, role: Object, old: Object | None) -> None:
        """Raises the 403 where the writer does not hold every right of the role. `old` is None on create."""
        name = name_of(role)
        if MASTERS in ctx.user.groups or await self._may_escalate(ctx, resource, "" if ctx.verb == "create" else name):
            return
        if old is not None and only_collection_fields_changed(role, old):
            return
        if refusal := self._missing(ctx, rules_of(role)):
            raise forbidden(resource, name, refusal)
        aggregating = _aggregates(role) or (old is not None and _aggregates(old))
        if aggregating and self._missing(ctx, FULL_AUTHORITY):
            raise forbidden(resource, name, "must have cluster-admin privileges to use the aggregationRule")

    async def check_binding(self, ctx: Context, resource: GroupResource, binding: Object, old: Object | None) -> None:
        """Raises the 403 where the writer does not hold every right of the bound role, or a 404 without the role."""
        if MASTERS in ctx.user.groups or (old is not None and only_collection_fields_changed(binding, old)):
            return
        ref = binding.get("roleRef") or {}
        if await self._may_bind(ctx, ref):
            return
        if refusal := self._missing(ctx, self._role_rules(resource, ref, ctx.namespace)):
            raise forbidden(resource, name_of(binding), refusal)

    async def _may_escalate(self, ctx: Context, resource: GroupResource, name: str) -> bool:
        return await self._may(ctx.user, "escalate", resource, ctx.namespace, name)

    async def _may_bind(self, ctx: Context, ref: Object) -> bool:
        plural = _ROLE_RESOURCES.get(ref.get("kind") or "")
        if plural is None:
            return False
        resource = GroupResource(ref.get("apiGroup") or "", plural)
        return await self._may(ctx.user, "bind", resource, ctx.namespace, ref.get("name") or "")

    async def _may(self, user: UserInfo, verb: str, resource: GroupResource, namespace: str, name: str) -> bool:
        asked = AuthorizerAttributes(
            user,
            verb,
            True,
            group=resource.group,
            version=ALL,
            resource=resource.resource,
            namespace=namespace,
            name=name,
        )
        return (await self.authorizer.authorize(asked)).verdict == ALLOW

    def _role_rules(self, resource: GroupResource, ref: Object, namespace: str) -> tuple[Rule, ...]:
        kind, name = ref.get("kind") or "", ref.get("name") or ""
        if kind == "Role" and not namespace:
            raise bad_request("Namespace parameter required.")  # what upstream's look-up of the role meets
        self.policy.start()
        try:
            return self.policy.role_rules(kind, name, namespace)
        except RoleNotFound as e:
            if kind not in _ROLE_RESOURCES:
                raise StatusError(500, "", str(e)) from e
            # Upstream's registry says the resource of the request, not that of the role.
            raise not_found(resource, name) from e

    def _missing(self, ctx: Context, wanted: Sequence[Rule]) -> str:
        """Upstream's words for the rights of `wanted` the writer lacks; empty when there are none."""
        owned, errors = self.policy.rules_for(ctx.user, ctx.namespace)
        missing = uncovered(owned, wanted)
        if not missing:
            return ""
        user = f"user {go_quote(ctx.user.name)} (groups={go_quotes(ctx.user.groups)})"
        listed = "\n".join(sorted({describe(rule) for rule in compact(missing)}))
        text = f"{user} is attempting to grant RBAC permissions not currently held:\n{listed}"
        return f"{text}; resolution errors: [{' '.join(errors)}]" if errors else text


def _aggregates(role: Object) -> bool:
    return bool((role.get("aggregationRule") or {}).get("clusterRoleSelectors"))


def only_collection_fields_changed(obj: Object, old: Object) -> bool:
    """Whether nothing differs but what the garbage collector needs to change (upstream registry/rbac/helpers.go)."""
    return _without_collection_fields(obj) == _without_collection_fields(old)


def _without_collection_fields(obj: Object) -> Object:
    ignored = ("ownerReferences", "finalizers", "managedFields")
    meta = {key: value for key, value in obj["metadata"].items() if key not in ignored}
    return {**obj, "metadata": meta}
