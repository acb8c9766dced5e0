"""ResourceQuota: how much of everything a namespace may have, and how much of it is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from apiserver.api.columns import AGE, NAME
from apiserver.api.podspec.quantities import round_list
from apiserver.api.strategy import KindStatusStrategy, KindStrategy, metadata_update_errors
from apiserver.api.validation.internal import internal
from apiserver.api.validation.resources import quantity_value_errors, resource_name_errors
from apiserver.apimachinery.errors import FieldError, invalid, required
from apiserver.apimachinery.object_meta import IMMUTABLE
from apiserver.apimachinery.objects import Object, get
from apiserver.apimachinery.quantity import parse
from apiserver.apimachinery.quota import scopes
from apiserver.apimachinery.quota.names import is_quota_resource
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource

NOT_QUOTA_RESOURCE = "must be a standard resource for quota"
CONFLICTING = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
EXISTS_ONLY = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)


class QuotaStrategy(KindStrategy):
    """Mirrors upstream registry/core/resourcequota and its validation."""

    has_status = True
    return_deleted_object = True

    def default(self, obj: Object) -> None:
        round_list(obj.setdefault("spec", {}).get("hard"))
        status = obj.setdefault("status", {})
        for field in ("hard", "used"):
            round_list(status.get(field))

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        obj["status"] = {}

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        return _spec_errors(obj.get("spec") or {})

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        yield from _spec_errors(obj.get("spec") or {})
        now, before = get(obj, "spec", "scopes", default=[]), get(old, "spec", "scopes", default=[])
        if set(now) != set(before):
            yield invalid("spec.scopes", now or None, IMMUTABLE)

    def warnings_on_create(self, ctx: Context, obj: Object) -> Iterable[str]:
        hard = get(obj, "spec", "hard", default={})
        for name in ("cpu", "memory", "storage", "ephemeral-storage"):
            request = f"requests.{name}"
            if request not in hard and name in ("cpu", "memory"):
                request = name
            request_amount, limit_amount = hard.get(request), hard.get(f"limits.{name}")
            if request_amount and limit_amount and parse(request_amount) > parse(limit_amount):
                yield f"ResourceQuota {request} ({request_amount}) should be less than limits.{name} ({limit_amount})"


def _amounts_errors(amounts: Object | None, path: str) -> Iterator[FieldError]:
    for name, amount in (amounts or {}).items():
        here = f"{path}[{name}]"
        yield from resource_name_errors(name, here)
        if "/" not in name and not is_quota_resource(name):
            yield invalid(here, name, NOT_QUOTA_RESOURCE)
        yield from quantity_value_errors(name, parse(amount), here)


def _spec_errors(spec: Object) -> Iterator[FieldError]:
    yield from _amounts_errors(spec.get("hard"), "spec.hard")
    names = sorted(name for name in spec.get("hard") or () if is_quota_resource(name))
    given = spec.get("scopes") or []
    for scope in given:
        if not scopes.is_standard(scope):
            yield invalid("spec.scopes", given, "unsupported scope")
        for _ in (name for name in names if not scopes.fits(scope, name)):
            yield invalid("spec.scopes", given, "unsupported scope applied to resource")
    yield from _conflicts(given, given, "spec.scopes")
    if spec.get("scopeSelector") is not None:
        yield from _selector_errors(spec, names, "spec.scopeSelector.matchExpressions")


def _conflicts(chosen: Sequence[str], shown: list[str] | None, path: str) -> Iterator[FieldError]:
    for pair in CONFLICTING:
        if all(scope in chosen for scope in pair):
            yield invalid(path, shown, "conflicting scopes")


def _selector_errors(spec: Object, names: Sequence[str], path: str) -> Iterator[FieldError]:
    selector = spec["scopeSelector"]
    requirements = selector.get("matchExpressions") or []
    for requirement in requirements:
        scope, operator = requirement.get("scopeName") or "", requirement.get("operator") or ""
        if not scopes.is_standard(scope):
            yield invalid(f"{path}.scopeName", scope, "unsupported scope")
        for _ in (name for name in names if not scopes.fits(scope, name)):
            yield invalid(path, internal(selector, "ScopeSelector"), "unsupported scope applied to resource")
        if scope in scopes.EXISTS_ONLY and operator != "Exists":
            yield invalid(f"{path}.operator", operator, EXISTS_ONLY)
        yield from _operator_errors(operator, requirement.get("values") or [], path)
    chosen = [requirement.get("scopeName") or "" for requirement in requirements]
    yield from _conflicts(chosen, spec.get("scopes") or None, path)


def _operator_errors(operator: str, values: list[str], path: str) -> Iterator[FieldError]:
    if operator in ("In", "NotIn"):
        if not values:
            detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            yield required(f"{path}.values", detail)
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            yield invalid(f"{path}.values", values, detail)
    else:
        yield invalid(f"{path}.operator", operator, "not a valid selector operator")


class QuotaStatusStrategy(KindStatusStrategy):
    """`/status`: what is enforced, and what is used of it."""

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        if not obj["metadata"].get("resourceVersion"):
            yield required("resourceVersion")
        status = obj.get("status") or {}
        for field in ("hard", "used"):
            yield from _amounts_errors(status.get(field), f"status.{field}")


def _usage_cell(obj: Object, *, limits: bool) -> str:
    hard, used = get(obj, "status", "hard", default={}), get(obj, "status", "used", default={})
    names = [name for name in sorted(hard) if name.startswith("limits.") == limits]
    return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)


STRATEGY = QuotaStrategy()
RESOURCE = Resource(
    group="",
    plural="resourcequotas",
    kind="ResourceQuota",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    short_names=("quota",),
    strategy=STRATEGY,
    subresources=(Subresource(name="status", strategy=QuotaStatusStrategy(STRATEGY)),),
    empty={"spec": {}, "status": {}},
    columns=(
        NAME,
        Column(
            "Request",
            lambda obj, now: _usage_cell(obj, limits=False),
            description="Request represents a minimum amount of cpu/memory that a container may consume.",
        ),
        Column(
            "Limit",
            lambda obj, now: _usage_cell(obj, limits=True),
            description="Limits control the maximum amount of cpu/memory that a container may use independent of contention on "
            "the node.",
        ),
        AGE,
    ),
)
