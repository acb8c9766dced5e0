"""The RBAC policy a cluster starts with: created once, and at every start mended where something is missing.

What an administrator added stays; with the annotation `rbac.authorization.kubernetes.io/autoupdate: "false"` an object is left
alone. Mirrors upstream pkg/registry/rbac/rest and component-helpers/auth/rbac/reconciliation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object, annotations_of, copy, get, name_of, namespace_of
from apiserver.auth.authorizers.rules import rules_of, uncovered
from apiserver.auth.bootstrap_policy import AUTOUPDATE, GROUP, bootstrap_objects
from apiserver.bootstrap.context import BootstrapContext, Hook

Merge = Callable[[Object, Object], Object]

MAX_ATTEMPTS = 3  # at an object that comes and goes meanwhile


async def start(context: BootstrapContext) -> None:
    """All at once: the storage commits them in groups."""
    wanted = [(GroupResource(GROUP, resource), obj) for resource, objs in bootstrap_objects().items() for obj in objs]
    await asyncio.gather(*(reconcile(context, resource, obj) for resource, obj in wanted))


async def reconcile(context: BootstrapContext, resource: GroupResource, wanted: Object) -> None:
    """Bring one object to hold at least what is wanted."""
    for attempts_left in reversed(range(MAX_ATTEMPTS)):
        try:
            await _reconcile(context, resource, wanted)
            return
        except StatusError as e:
            if e.reason not in ("AlreadyExists", "NotFound", "Conflict") or not attempts_left:
                raise


async def _reconcile(context: BootstrapContext, resource: GroupResource, wanted: Object) -> None:
    objects = context.objects
    namespace, name = namespace_of(wanted), name_of(wanted)
    existing = objects.get(resource, namespace, name)
    if existing is None:
        await objects.create(resource, copy(wanted))
        return
    if existing.get("roleRef") != wanted.get("roleRef"):
        if not is_protected(existing):
            await objects.delete(resource, namespace, name)
            await objects.create(resource, copy(wanted))
        return
    merge: Merge = merge_binding if "roleRef" in wanted else merge_role
    if change_needed(existing, wanted, merge):
        await objects.update(resource, namespace, name, lambda obj: merge(obj, wanted))


def is_protected(obj: Object) -> bool:
    return annotations_of(obj).get(AUTOUPDATE) == "false"


def change_needed(existing: Object, wanted: Object, merge: Merge) -> bool:
    return not is_protected(existing) and bool(merge(copy(existing), wanted) != existing)


def merge_role(role: Object, wanted: Object) -> Object:
    """The role with what it lacks of the wanted one: labels, annotations, rules, selectors."""
    _merge_metadata(role, wanted)
    missing = uncovered(rules_of(role), rules_of(wanted))
    if missing:
        role["rules"] = [*(role.get("rules") or ()), *(rule.object() for rule in missing)]
    selectors = get(wanted, "aggregationRule", "clusterRoleSelectors", default=[])
    if not selectors:
        role.pop("aggregationRule", None)
        return role
    own = get(role, "aggregationRule", "clusterRoleSelectors", default=[])
    lacking = [selector for selector in selectors if selector not in own]
    if lacking:
        role["aggregationRule"] = {"clusterRoleSelectors": [*own, *lacking]}
    return role


def merge_binding(binding: Object, wanted: Object) -> Object:
    """The binding with the labels, annotations and subjects it lacks."""
    _merge_metadata(binding, wanted)
    own = binding.get("subjects") or []
    missing = [subject for subject in wanted.get("subjects") or () if subject not in own]
    if missing:
        binding["subjects"] = [*own, *missing]
    return binding


def _merge_metadata(obj: Object, wanted: Object) -> None:
    """What the object says already wins."""
    for field in ("labels", "annotations"):
        own = obj["metadata"].get(field) or {}
        missing = {key: value for key, value in wanted["metadata"][field].items() if key not in own}
        if missing:
            obj["metadata"][field] = {**own, **missing}


HOOK = Hook(
    "rbac/bootstrap-roles",
    start,
    tuple(GroupResource(GROUP, r) for r in ("clusterroles", "clusterrolebindings", "roles", "rolebindings")),
)
