"""Names and amounts of resources: what containers, pods, nodes and limits may ask for.

Mirrors upstream pkg/apis/core/helper and pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from apiserver.api.podspec.quantities import ZERO
from apiserver.api.podspec.resources import HUGE_PAGES, is_native, is_pod_level, may_overcommit
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import (
    FieldError,
    duplicate,
    field_forbidden,
    field_not_found,
    invalid,
    not_supported,
    required,
)
from apiserver.apimachinery.object_meta import NOT_NEGATIVE
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.quantity import Quantity, QuantityError, parse

COMPUTE = ("cpu", "memory")
NOT_INTEGER = "must be an integer"
NOT_POSITIVE = "must be greater than zero"
INTEGER_RESOURCES = frozenset(
    {
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    }
)
STANDARD_RESOURCES = INTEGER_RESOURCES | {
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "storage",
    "requests.storage",
}
CONTAINER_RESOURCES = frozenset({"cpu", "memory", "ephemeral-storage"})
POD_RESOURCES = ("cpu", HUGE_PAGES, "memory")

NameErrors = Callable[[str, str], Iterator[FieldError]]


def is_huge_page(name: str) -> bool:
    return name.startswith(HUGE_PAGES)


def is_extended(name: str) -> bool:
    """A resource of somebody else's, such as a device."""
    if is_native(name) or name.startswith("requests."):
        return False
    return not formats.qualified_name("requests." + name)


def resource_name_errors(name: str, path: str) -> Iterator[FieldError]:
    messages = formats.qualified_name(name)
    for message in messages:
        yield invalid(path, name, message)
    if messages or "/" in name:
        return
    if name not in STANDARD_RESOURCES and not name.startswith((HUGE_PAGES, "requests." + HUGE_PAGES)):
        yield invalid(path, name, "must be a standard resource type or fully qualified")


def container_resource_name_errors(name: str, path: str) -> Iterator[FieldError]:
    yield from resource_name_errors(name, path)
    if "/" not in name:
        if name not in CONTAINER_RESOURCES and not is_huge_page(name):
            yield invalid(path, name, "must be a standard resource for containers")
    elif not is_native(name) and not is_extended(name):
        yield invalid(path, name, "doesn't follow extended resource name standard")


def pod_resource_name_errors(name: str, path: str) -> Iterator[FieldError]:
    errors = list(resource_name_errors(name, path))
    yield from errors
    if not errors and not is_pod_level(name):
        yield not_supported(path, name, POD_RESOURCES)


def non_negative_quantity(amount: Quantity, path: str) -> Iterator[FieldError]:
    if amount < ZERO:
        yield invalid(path, str(amount), NOT_NEGATIVE)


def positive_quantity(amount: Quantity, path: str) -> Iterator[FieldError]:
    if amount <= ZERO:
        yield invalid(path, str(amount), NOT_POSITIVE)


def quantity_value_errors(name: str, amount: Quantity, path: str) -> Iterator[FieldError]:
    """Upstream ValidateResourceQuantityValue."""
    yield from non_negative_quantity(amount, path)
    if (name in INTEGER_RESOURCES or is_extended(name)) and amount.milli_value % 1000 != 0:
        yield invalid(path, str(amount), NOT_INTEGER)


def is_page_multiple(name: str, amount: Quantity) -> bool:
    """Whether an amount of huge pages is a number of whole pages."""
    try:
        size = parse(name.removeprefix(HUGE_PAGES))
    except QuantityError:
        return False
    return size > ZERO and size.milli_value % 1000 == 0 and amount.value % size.value == 0


def requirements_errors(
    requirements: Object,
    path: str,
    claim_names: Collection[str],
    *,
    names: NameErrors = container_resource_name_errors,
    any_huge_pages: bool = False,
) -> Iterator[FieldError]:
    """Upstream validateResourceRequirements: limits, requests, claims."""
    limits, requests = requirements.get("limits") or {}, requirements.get("requests") or {}
    amounts = {name: parse(text) for name, text in limits.items()}
    for name, limit in amounts.items():
        here = f"{path}.limits[{name}]"
        yield from names(name, here)
        yield from quantity_value_errors(name, limit, here)
        yield from _page_errors(name, limit, here, any_huge_pages)
    for name, text in requests.items():
        here, amount = f"{path}.requests[{name}]", parse(text)
        yield from names(name, here)
        yield from quantity_value_errors(name, amount, here)
        yield from _request_errors(name, amount, amounts.get(name), path)
        yield from _page_errors(name, amount, here, any_huge_pages)
    asked = {*limits, *requests}
    if any(is_huge_page(name) for name in asked) and not asked & set(COMPUTE):
        yield field_forbidden(path, "HugePages require cpu or memory")
    if requirements.get("claims"):
        yield from claims_errors(requirements["claims"], f"{path}.claims", claim_names)


def _page_errors(name: str, amount: Quantity, path: str, any_huge_pages: bool) -> Iterator[FieldError]:
    if is_huge_page(name) and not any_huge_pages and not is_page_multiple(name, amount):
        yield invalid(path, str(amount), f"{amount} is not positive integer multiple of {name}")


def _request_errors(name: str, amount: Quantity, limit: Quantity | None, path: str) -> Iterator[FieldError]:
    """A request is at most its limit; what cannot be overcommitted is exactly its limit."""
    if limit is None:
        if not may_overcommit(name):
            yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
    elif amount != limit and not may_overcommit(name):
        yield invalid(f"{path}.requests", str(amount), f"must be equal to {name} limit of {limit}")
    elif amount > limit:
        yield invalid(f"{path}.requests", str(amount), f"must be less than or equal to {name} limit of {limit}")


def claims_errors(claims: list[Object], path: str, pod_claims: Collection[str]) -> Iterator[FieldError]:
    """References to entries of spec.resourceClaims."""
    seen: dict[str, None] = {}
    for i, claim in enumerate(claims):
        here, name, request = f"{path}[{i}]", claim.get("name") or "", claim.get("request") or ""
        if not name:
            yield required(here)
            continue
        yield from _claim_overlap_errors(name, request, here, seen)
        if name not in pod_claims:
            listed = f": {', '.join(sorted(pod_claims))}" if pod_claims else " which is empty"
            error = field_not_found(here, name)
            detail = f"must be one of the names in pod.spec.resourceClaims{listed}"
            yield error._replace(text=f"{error.text}: {detail}")


def _claim_overlap_errors(name: str, request: str, path: str, seen: dict[str, None]) -> Iterator[FieldError]:
    if name in seen:
        yield duplicate(path, name)
        return
    key = name
    if request:
        for message in formats.dns1123_label(request):
            yield invalid(f"{path}.request", request, message)
        key = f"{name}/{request}"
    if key in seen:
        yield duplicate(path, key)
    elif not request:
        for other in seen:
            if other.partition("/")[0] == name and "/" in other:
                yield duplicate(path, name)
    seen[key] = None
