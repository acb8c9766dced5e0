"""A pod's resources as a whole: sums over containers, pod-level defaults, the quality-of-service class.

Mirrors upstream component-helpers/resource/helpers.go, pkg/api/pod/util.go (DefaultPodLevelResources) and
pkg/apis/core/helper/qos.
"""

from __future__ import annotations

from apiserver.api.podspec.containers import all_containers, is_sidecar, sub
from apiserver.api.podspec.quantities import add, add_quantities, quantity, raise_to
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.quantity import Quantity, parse

HUGE_PAGES = "hugepages-"
BEST_EFFORT, BURSTABLE, GUARANTEED = "BestEffort", "Burstable", "Guaranteed"


def is_pod_level(name: str) -> bool:
    """Whether a pod as a whole may ask for it."""
    return name in ("cpu", "memory") or name.startswith(HUGE_PAGES)


def is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def may_overcommit(name: str) -> bool:
    return is_native(name) and not name.startswith(HUGE_PAGES)


def has_pod_level_resources(spec: Object) -> bool:
    resources = spec.get("resources") or {}
    return any(is_pod_level(name) for side in ("requests", "limits") for name in resources.get(side) or ())


def aggregate(spec: Object, side: str) -> dict[str, Quantity]:
    """What all containers together need: `side` is requests or limits. Init containers set a minimum, sidecars add up."""
    total: dict[str, Quantity] = {}
    for container in spec.get("containers") or ():
        add(total, sub(container, "resources", side))
    sidecars: dict[str, Quantity] = {}
    minimum: dict[str, Quantity] = {}
    for container in spec.get("initContainers") or ():
        own: dict[str, Quantity] = {}
        add(own, sub(container, "resources", side))
        if is_sidecar(container):
            add_quantities(total, own)
            add_quantities(sidecars, own)
            raise_to(minimum, sidecars)
        else:
            add_quantities(own, sidecars)
            raise_to(minimum, own)
    raise_to(total, minimum)
    return total


def default_pod_level_resources(spec: Object) -> None:
    """Complete spec.resources where somebody began it: hugepage limits, then requests, then limits."""
    resources = spec.get("resources")
    if not resources or not (resources.get("requests") or resources.get("limits")):
        return
    _default_hugepage_limits(spec, resources)
    _default_requests(spec, resources)
    _default_limits(spec, resources)


def _default_hugepage_limits(spec: Object, resources: Object) -> None:
    limits, requests = dict(resources.get("limits") or {}), resources.get("requests") or {}
    for name, amount in aggregate(spec, "limits").items():
        if name.startswith(HUGE_PAGES) and name not in requests and name not in limits:
            limits[name] = str(amount)
    if limits:
        resources["limits"] = limits


def _default_requests(spec: Object, resources: Object) -> None:
    requests = dict(resources.get("requests") or {})
    for name, amount in aggregate(spec, "requests").items():
        if name not in requests and is_pod_level(name) and may_overcommit(name):
            requests[name] = str(amount)
    for name, text in (resources.get("limits") or {}).items():
        if name not in requests and is_pod_level(name):
            requests[name] = text
    if requests:
        resources["requests"] = requests


def _default_limits(spec: Object, resources: Object) -> None:
    """Where every container has a limit, the pod gets their sum, or its request where that is larger."""
    limits = dict(resources.get("limits") or {})
    requests = resources.get("requests") or {}
    candidates = [name for name in requests if is_pod_level(name) and name not in limits]
    containers = list(all_containers(spec))
    candidates = [name for name in candidates if all(name in sub(c, "resources", "limits") for c in containers)]
    if not candidates:
        return
    sums = aggregate(spec, "limits")
    for name in candidates:
        if name in sums:
            limits[name] = str(max(sums[name], parse(requests[name])))
    resources["limits"] = limits


def qos_class(spec: Object) -> str:
    """Guaranteed, Burstable or BestEffort (upstream ComputePodQOS)."""
    if has_pod_level_resources(spec):
        return _requirements_qos(spec["resources"])
    found = ""
    for field in ("initContainers", "containers"):
        for container in spec.get(field) or ():
            own = _requirements_qos(container.get("resources") or {})
            if own == BURSTABLE or (found and found != own):
                return BURSTABLE
            found = own
    return found or BEST_EFFORT


def _requirements_qos(resources: Object) -> str:
    requests, limits = resources.get("requests"), resources.get("limits")
    if not requests and not limits:
        return BEST_EFFORT
    found = ""
    for name in ("cpu", "memory"):
        request, limit = quantity(requests, name), quantity(limits, name)
        if request != limit:
            return BURSTABLE
        own = GUARANTEED if request else BEST_EFFORT
        if found and found != own:
            return BURSTABLE
        found = own
    return found
