"""What a pod requests and is limited to altogether, where it is running with other amounts than it asks for included.

Mirrors upstream component-helpers/resource PodRequests and PodLimits with UseStatusResources and pod-level resources.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.quantity import Quantity
from apiserver.apimachinery.quota.amounts import Amounts, add_to, parsed, raise_to

HUGE_PAGES = "hugepages-"

Resources = dict[str, Any]
# (container, its status or None, whether a resize is infeasible) → its resources by name
Choose = Callable[[Object, Object, bool], Resources | None]


def is_pod_level(name: str) -> bool:
    return name in ("cpu", "memory") or name.startswith(HUGE_PAGES)


def has_pod_level_resources(pod: Object, *sides: str) -> bool:
    resources = (pod.get("spec") or {}).get("resources") or {}
    return any(is_pod_level(name) for side in sides or ("requests", "limits") for name in resources.get(side) or ())


def pod_requests(pod: Object) -> dict[str, Quantity]:
    spec = pod.get("spec") or {}
    choices = (_spec_of("requests"), _actuated("requests"), _allocated)
    total = _largest(pod, choices)
    if has_pod_level_resources(pod, "requests"):
        _apply_pod_level(total, spec["resources"].get("requests"))
    add_to(total, parsed(spec.get("overhead")))
    return total


def pod_limits(pod: Object) -> dict[str, Quantity]:
    spec = pod.get("spec") or {}
    total = _largest(pod, (_spec_of("limits"), _actuated("limits")))
    if has_pod_level_resources(pod):
        _apply_pod_level(total, spec["resources"].get("limits"))
    for name, amount in parsed(spec.get("overhead")).items():
        if total.get(name):
            total[name] += amount
    return total


def _apply_pod_level(total: dict[str, Quantity], given: Resources | None) -> None:
    total.update({name: amount for name, amount in parsed(given).items() if is_pod_level(name)})


def _spec_of(side: str) -> Choose:
    return lambda container, status, infeasible: (container.get("resources") or {}).get(side)


def _allocated(container: Object, status: Object, infeasible: bool) -> Resources | None:
    if status.get("allocatedResources") is not None:
        return status["allocatedResources"]  # type: ignore[no-any-return]
    return None if infeasible else (container.get("resources") or {}).get("requests")


def _actuated(side: str) -> Choose:
    def choose(container: Object, status: Object, infeasible: bool) -> Resources | None:
        actual: Resources | None = (status.get("resources") or {}).get(side)
        if actual is not None:
            return actual
        if side == "requests":
            return _allocated(container, status, infeasible)
        return None if infeasible else (container.get("resources") or {}).get(side)

    return choose


def _is_infeasible(pod: Object) -> bool:
    """Whether the kubelet has refused a resize: then what is asked for does not count."""
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "PodResizePending":
            return bool(condition.get("reason") == "Infeasible")
    return False


def _largest(pod: Object, choices: tuple[Choose, ...]) -> dict[str, Quantity]:
    """The first choice is what the spec asks for."""
    infeasible = _is_infeasible(pod)
    status = pod.get("status") or {}
    if not status.get("containerStatuses") and not status.get("initContainerStatuses") and not infeasible:
        choices = choices[:1]  # nothing is running: all choices are the same
    total: dict[str, Quantity] = {}
    for choose in choices[1:] if infeasible else choices:
        raise_to(total, _aggregated(pod, choose, infeasible))
    return total


def _aggregated(pod: Object, choose: Choose, infeasible: bool) -> dict[str, Quantity]:
    """Containers and sidecars add up; init containers run one after the other, beside the sidecars before them."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    known = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    statuses = {one.get("name"): one for one in known}

    def amounts(container: Object) -> Amounts:
        return parsed(choose(container, statuses.get(container.get("name")) or {}, infeasible))

    total: dict[str, Quantity] = {}
    for container in spec.get("containers") or ():
        add_to(total, amounts(container))
    sidecars: dict[str, Quantity] = {}
    peak: dict[str, Quantity] = {}
    for container in spec.get("initContainers") or ():
        own = dict(amounts(container))
        if container.get("restartPolicy") == "Always":
            add_to(total, own)
            add_to(sidecars, own)
            own = sidecars
        else:
            add_to(own, sidecars)
        raise_to(peak, own)
    raise_to(total, peak)
    return total
