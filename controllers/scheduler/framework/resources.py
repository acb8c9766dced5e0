"""What a pod asks of a node, in plain integers: milli-CPU, bytes, counts. Mirrors k8s.io/component-helpers/resource.

Requests of containers add up; init containers run one after another beside the sidecars started before them; the larger
wins; overhead comes on top. While a pod is resized, what is allocated or in use counts as long as it is more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from apiserver.apimachinery import quantity
from apiserver.apimachinery.objects import Object

CPU, MEMORY, EPHEMERAL_STORAGE, PODS = "cpu", "memory", "ephemeral-storage", "pods"
HUGE_PAGES = "hugepages-"
DEFAULT_CPU = 100  # milli; what a container without a request is taken to use when nodes are scored (upstream util/pod_resources.go)
DEFAULT_MEMORY = 200 * 1024 * 1024

Amounts = dict[str, int]
_Requests = Callable[[Object, Object | None], Mapping[str, str] | None]


@lru_cache(maxsize=8192)
def amount(name: str, text: str) -> int:
    """A quantity of a resource: milli-units for CPU, whole ones for the rest, rounded up."""
    parsed = quantity.parse(text)
    return parsed.milli_value if name == CPU else parsed.value


def amounts(given: Mapping[str, Any] | None) -> Amounts:
    return {name: amount(name, str(text)) for name, text in (given or {}).items()}


def is_scalar(name: str) -> bool:
    """Is it counted on a node though it is none of the four native ones? (upstream util.IsScalarResourceName)"""
    if name in (CPU, MEMORY, EPHEMERAL_STORAGE, PODS):
        return False
    if name.startswith((HUGE_PAGES, "attachable-volumes-")) or "kubernetes.io/" in name:
        return True
    return "/" in name and not name.startswith("requests.")


def is_extended(name: str) -> bool:
    """An extended resource, such as example.com/gpu (upstream v1helper.IsExtendedResourceName)."""
    return "/" in name and "kubernetes.io/" not in name and not name.startswith("requests.")


def pod_requests(pod: Object, *, missing: Mapping[str, int] | None = None) -> Amounts:
    """All a pod requests. `missing`: what a container that does not say is taken to ask for."""
    spec, status = pod["spec"], pod.get("status") or {}
    if not status.get("containerStatuses") and not status.get("initContainerStatuses"):
        total = _aggregate(spec, {}, _spec_requests, missing)
    else:
        total = _resized(spec, status, missing)
    _apply_pod_level(total, spec, status)
    if spec.get("overhead"):
        _add(total, amounts(spec["overhead"]))
    return total


def status_resources(pod: Object) -> list[Any]:
    """What a pod's status says of its resources: with the spec, all that its requests depend on."""
    status = pod.get("status") or {}
    statuses = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
    infeasible = _infeasible(status)
    return [status.get("resources"), infeasible, [(s.get("resources"), s.get("allocatedResources")) for s in statuses]]


def _resized(spec: Object, status: Object, missing: Mapping[str, int] | None) -> Amounts:
    """The larger of what is wanted, allocated and in use; what is wanted does not count where it can never be given."""
    statuses = {
        s["name"]: s
        for key in ("containerStatuses", "initContainerStatuses")
        for s in status.get(key) or ()
        if "name" in s
    }
    infeasible = _infeasible(status)
    allocated = _aggregate(spec, statuses, _allocated if not infeasible else _only_allocated, missing)
    actual = _aggregate(spec, statuses, _actual if not infeasible else _only_actual, missing)
    total = {} if infeasible else _aggregate(spec, statuses, _spec_requests, missing)
    _maximum(total, allocated)
    _maximum(total, actual)
    return total


def _infeasible(status: Object) -> bool:
    conditions = status.get("conditions") or ()
    return any(c["type"] == "PodResizePending" and c.get("reason") == "Infeasible" for c in conditions)


def _spec_requests(container: Object, status: Object | None) -> Mapping[str, str] | None:
    return (container.get("resources") or {}).get("requests")


def _only_allocated(container: Object, status: Object | None) -> Mapping[str, str] | None:
    return (status or {}).get("allocatedResources")


def _allocated(container: Object, status: Object | None) -> Mapping[str, str] | None:
    found = _only_allocated(container, status)
    return found if found is not None else _spec_requests(container, status)


def _only_actual(container: Object, status: Object | None) -> Mapping[str, str] | None:
    found = ((status or {}).get("resources") or {}).get("requests")
    return found if found is not None else _only_allocated(container, status)


def _actual(container: Object, status: Object | None) -> Mapping[str, str] | None:
    found = _only_actual(container, status)
    return found if found is not None else _spec_requests(container, status)


def _aggregate(
    spec: Object, statuses: Mapping[str, Object], requests: _Requests, missing: Mapping[str, int] | None
) -> Amounts:
    total: Amounts = {}
    for container in spec.get("containers") or ():
        _add(total, _of(container, statuses, requests, missing))
    sidecars: Amounts = {}
    initial: Amounts = {}
    for container in spec.get("initContainers") or ():
        wanted = _of(container, statuses, requests, missing)
        if container.get("restartPolicy") == "Always":
            _add(total, wanted)
            _add(sidecars, wanted)
            _maximum(initial, sidecars)
        else:
            _add(wanted, sidecars)
            _maximum(initial, wanted)
    _maximum(total, initial)
    return total


def _of(
    container: Object, statuses: Mapping[str, Object], requests: _Requests, missing: Mapping[str, int] | None
) -> Amounts:
    wanted = amounts(requests(container, statuses.get(container["name"])))
    for name, value in (missing or {}).items():
        wanted.setdefault(name, value)
    return wanted


def _apply_pod_level(total: Amounts, spec: Object, status: Object) -> None:
    """Pod-level requests replace the sum of the containers' (PodLevelResources); CPU, memory and huge pages only."""
    requests = (spec.get("resources") or {}).get("requests")
    if requests:
        total |= {n: a for n, a in amounts(requests).items() if n in (CPU, MEMORY) or n.startswith(HUGE_PAGES)}


def _add(total: Amounts, more: Mapping[str, int]) -> None:
    for name, value in more.items():
        total[name] = total.get(name, 0) + value


def _maximum(total: Amounts, other: Mapping[str, int]) -> None:
    for name, value in other.items():
        if value > total.get(name, 0):
            total[name] = value
        else:
            total.setdefault(name, value)


class Resource:
    """Amounts of a node or of its pods, taken apart for speed."""

    __slots__ = ("cpu", "ephemeral_storage", "memory", "pods", "scalars")

    def __init__(self, given: Mapping[str, int] | None = None) -> None:
        given = given or {}
        self.cpu = given.get(CPU, 0)
        self.memory = given.get(MEMORY, 0)
        self.ephemeral_storage = given.get(EPHEMERAL_STORAGE, 0)
        self.pods = given.get(PODS, 0)
        self.scalars = {n: a for n, a in given.items() if is_scalar(n)} if len(given) > 2 or _odd(given) else {}

    def copy(self) -> Resource:
        made = Resource()
        made.cpu, made.memory, made.ephemeral_storage = self.cpu, self.memory, self.ephemeral_storage
        made.pods, made.scalars = self.pods, dict(self.scalars)
        return made

    def add(self, other: Resource, sign: int = 1) -> None:
        self.cpu += sign * other.cpu
        self.memory += sign * other.memory
        self.ephemeral_storage += sign * other.ephemeral_storage
        for name, value in other.scalars.items():
            self.scalars[name] = self.scalars.get(name, 0) + sign * value

    def get(self, name: str) -> int:
        if name == CPU:
            return self.cpu
        if name == MEMORY:
            return self.memory
        if name == EPHEMERAL_STORAGE:
            return self.ephemeral_storage
        return self.scalars.get(name, 0)

    @property
    def empty(self) -> bool:
        return not (self.cpu or self.memory or self.ephemeral_storage or self.scalars)


def _odd(given: Iterable[str]) -> bool:
    return any(name not in (CPU, MEMORY) for name in given)
