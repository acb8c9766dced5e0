"""Who may ask for devices that are in use, give devices out, and speak for them (upstream pkg/registry/resource/utils.go)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from apiserver.api.resource.allocations import DeviceId, device_id
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, StatusError, field_forbidden, field_internal_error
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.http import UserInfo
from apiserver.apimachinery.objects import Object, get, labels_of
from apiserver.auth.forbidden import forbidden_error
from apiserver.auth.interface import ALLOW, AuthorizerAttributes
from apiserver.registry.context import Context

if TYPE_CHECKING:
    from apiserver.registry.dependencies import Dependencies

CLAIMS = GroupResource("resource.k8s.io", "resourceclaims")
NAMESPACES = GroupResource("", "namespaces")
ADMIN_LABEL = "resource.kubernetes.io/admin-access"
NODE_NAME = "authentication.kubernetes.io/node-name"
ON_SAME_NODE, ON_ANY_NODE = "associated-node:", "arbitrary-node:"


class TemplateChecks:
    """Admin access is for namespaces with the label for it."""

    spec: tuple[str, ...] = ("spec", "spec")

    def __init__(self, dependencies: Dependencies) -> None:
        self.dependencies = dependencies

    async def of_new(self, ctx: Context, obj: Object, found: list[FieldError]) -> list[FieldError]:
        requests = get(obj, *self.spec, "devices", "requests", default=())
        asking = next((i for i, request in enumerate(requests) if get(request, "exactly", "adminAccess")), None)
        # The path is a claim's also in a template, as upstream.
        return [*await self._admin_errors(ctx, asking, "spec.devices.requests"), *found]

    async def of_change(self, ctx: Context, obj: Object, old: Object, found: list[FieldError]) -> list[FieldError]:
        return found

    async def _admin_errors(self, ctx: Context, asking: int | None, path: str) -> Sequence[FieldError]:
        if asking is None:
            return ()
        here = f"{path}[{asking}].adminAccess"
        store = self.dependencies.store(NAMESPACES)
        try:
            namespace = store.object(await store.get(ctx, ctx.namespace))
        except StatusError as e:
            why = f"could not retrieve namespace to verify admin access: {e.message}"
            return (field_internal_error(here, why),)
        if labels_of(namespace).get(ADMIN_LABEL) != "true":
            why = f"admin access to devices requires the `{ADMIN_LABEL}: true` label on the containing namespace"
            return (field_forbidden(here, why),)
        return ()


class ClaimChecks(TemplateChecks):
    """Besides: the scheduler gives out, a driver speaks for its own devices."""

    spec = ("spec",)

    async def of_change(self, ctx: Context, obj: Object, old: Object, found: list[FieldError]) -> list[FieldError]:
        if ctx.subresource != "status":
            return found
        denied = [*await self._admin_errors(ctx, _newly_admin(obj, old), "status.allocation.devices.results")]
        status, before = obj.get("status") or {}, old.get("status") or {}
        if any((status.get(field) or None) != (before.get(field) or None) for field in ("allocation", "reservedFor")):
            denied += await self._binding_errors(ctx)
        if status.get("allocation") is not None:
            denied += await self._driver_errors(ctx, status, before)
        return [*denied, *found]

    async def _binding_errors(self, ctx: Context) -> list[FieldError]:
        why = await self._why_not(ctx, ctx.verb, "binding")
        if not why:
            return []
        detail = (
            'changing status.allocation or status.reservedFor requires resource="resourceclaims/binding", '
            f'verb="{ctx.verb}" permission: {why}'
        )
        return [field_forbidden("status.allocation", detail)]

    async def _driver_errors(self, ctx: Context, status: Object, before: Object) -> list[FieldError]:
        verbs = [f"{ON_ANY_NODE}{ctx.verb}"]
        if _is_on(ctx.user, _node_of(status["allocation"])):
            verbs.insert(0, f"{ON_SAME_NODE}{ctx.verb}")
        denied = []
        for driver in sorted(_changed_drivers(status, before)):
            reasons = []
            for verb in verbs:
                reasons.append(await self._why_not(ctx, verb, "driver", ctx.namespace, driver))
                if not reasons[-1]:
                    break
            else:
                detail = (
                    'changing status.devices requires resource="resourceclaims/driver", '
                    f'verb="[{" ".join(verbs)}]" permission: {reasons[0]}'
                )
                denied.append(field_forbidden("status.devices", detail))
        return denied

    async def _why_not(self, ctx: Context, verb: str, subresource: str, namespace: str = "", name: str = "") -> str:
        """Upstream checkAuthorization: "" where it is allowed."""
        asked = AuthorizerAttributes(
            user=ctx.user,
            verb=verb,
            is_resource=True,
            group=CLAIMS.group,
            version=ctx.version,
            resource=CLAIMS.resource,
            subresource=subresource,
            namespace=namespace,
            name=name,
        )
        decision = await self.dependencies.authorizer.authorize(asked)
        if decision.verdict == ALLOW:
            return ""
        return forbidden_error(asked, decision.reason).message


def _newly_admin(claim: Object, old: Object) -> int | None:
    """The first result with admin access, where there was none before."""
    now, before = (
        [bool(result.get("adminAccess")) for result in get(o, "status", "allocation", "devices", "results") or ()]
        for o in (claim, old)
    )
    return now.index(True) if True in now and True not in before else None


def _changed_drivers(status: Object, before: Object) -> set[str]:
    devices, old = (_by_id(s.get("devices") or ()) for s in (status, before))
    return {key.driver for key in {*devices, *old} if devices.get(key) != old.get(key)}


def _by_id(devices: Sequence[Object]) -> dict[DeviceId, Object]:
    return {device_id(device): device for device in devices}


def _node_of(allocation: Object) -> str:
    """The one node an allocation is for; "" where it does not say it in the scheduler's form."""
    terms = get(allocation, "nodeSelector", "nodeSelectorTerms") or []
    if len(terms) != 1 or terms[0].get("matchExpressions") or len(terms[0].get("matchFields") or ()) != 1:
        return ""
    field = terms[0]["matchFields"][0]
    values = field.get("values") or []
    is_name = field.get("key") == "metadata.name" and field.get("operator") == "In" and len(values) == 1
    return values[0] if is_name else ""


def _is_on(user: UserInfo, node: str) -> bool:
    """Whether it is a service account whose token is bound to a pod of the node."""
    if not node or not user.name.startswith("system:serviceaccount:"):
        return False
    names = dict(user.extra).get(NODE_NAME, ())
    return len(names) == 1 and names[0] == node and not formats.dns1123_subdomain(node)
