"""References to fields of the pod and resources of its containers, for environment variables and downward volumes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from apiserver.api.podspec.quantities import ZERO
from apiserver.api.validation.pod.names import qualified_errors
from apiserver.apimachinery.errors import FieldError, invalid, not_supported, required
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.quantity import parse

VOLUME_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
ENV_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_CONVERTIBLE = frozenset(
    {*VOLUME_FIELDS, *ENV_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase", "spec.host"}
)
CONTAINER_RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
HUGE_PAGE_PREFIXES = ("limits.hugepages-", "requests.hugepages-")
_CPU_DIVISORS = ("1m", "1")
_MEMORY_DIVISORS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")


def split_subscript(path: str) -> tuple[str, str, bool]:
    """`metadata.labels['a']` → ("metadata.labels", "a", True) (upstream SplitMaybeSubscriptedPath)."""
    if path.endswith("']"):
        head, opening, subscript = path[:-2].partition("['")
        if opening and head:
            return head, subscript, True
    return path, "", False


def field_ref_errors(reference: Object, fields: Sequence[str], path: str) -> Iterator[FieldError]:
    version, field = reference.get("apiVersion") or "", reference.get("fieldPath") or ""
    if not version:
        yield required(f"{path}.apiVersion")
        return
    if not field:
        yield required(f"{path}.fieldPath")
        return
    head, subscript, subscripted = split_subscript(field)
    if problem := _conversion_problem(version, field, head, subscripted):
        yield invalid(f"{path}.fieldPath", field, f"error converting fieldPath: {problem}")
    elif subscripted:
        yield from qualified_errors(subscript.lower() if head == "metadata.annotations" else subscript, path)
    else:
        head = "spec.nodeName" if head == "spec.host" else head
        if head not in fields:
            yield not_supported(f"{path}.fieldPath", head, fields)


def _conversion_problem(version: str, field: str, head: str, subscripted: bool) -> str:
    if version != "v1":
        return f"unsupported pod version: {version}"
    if subscripted:
        known = head in ("metadata.annotations", "metadata.labels")
        return "" if known else f"field label does not support subscript: {field}"
    return "" if field in _CONVERTIBLE else f"field label not supported: {field}"


def resource_field_errors(reference: Object, path: str, *, in_volume: bool) -> Iterator[FieldError]:
    resource = reference.get("resource") or ""
    if in_volume and not reference.get("containerName"):
        yield required(f"{path}.containerName")
    elif not resource:
        yield required(f"{path}.resource")
    elif resource not in CONTAINER_RESOURCES and not resource.startswith(HUGE_PAGE_PREFIXES):
        yield not_supported(f"{path}.resource", resource, CONTAINER_RESOURCES)
    yield from _divisor_errors(resource, reference.get("divisor") or "0", f"{path}.divisor")


def _divisor_errors(resource: str, text: str, path: str) -> Iterator[FieldError]:
    divisor = parse(text)
    if divisor == ZERO:
        return
    if resource in ("limits.cpu", "requests.cpu"):
        if str(divisor) not in _CPU_DIVISORS:
            yield invalid(path, resource, "only divisor's values 1m and 1 are supported with the cpu resource")
        return
    kind = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}.get(resource.partition(".")[2])
    if resource.startswith(HUGE_PAGE_PREFIXES):
        kind = "hugepages"
    if kind is not None and str(divisor) not in _MEMORY_DIVISORS:
        listed = ", ".join(_MEMORY_DIVISORS)
        yield invalid(path, resource, f"only divisor's values {listed} are supported with the {kind} resource")
